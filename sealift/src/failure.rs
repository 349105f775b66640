//! How a command fails: the exit code, the message and the help.

use std::fmt;

/// The failure of a command. The variants are the documented exit codes.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit 1: the command ran to its end with a negative result: a verification or a task failed. Without a report the
    /// result was printed before.
    Failed(Option<FailureReport>),
    /// Exit 2: an error ended the command.
    Error(FailureReport),
    /// Exit 2; the error was printed before.
    Reported,
    /// Exit 3: the command line or the configuration is invalid.
    Usage(FailureReport),
    /// Exit 128 + n: signal n.
    Signal(u8),
}

/// An error with help.
#[derive(Debug)]
pub(crate) struct FailureReport {
    pub(crate) error: anyhow::Error,
    /// The place in a file, as lines with a marker.
    pub(crate) snippet: Option<String>,
    pub(crate) remedy: Option<String>,
}

impl Failure {
    pub(crate) fn usage(message: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Self {
        Self::Usage(FailureReport { error: anyhow::Error::msg(message), snippet: None, remedy: None })
    }

    /// Invalid usage, because of `error`.
    pub(crate) fn usage_by(error: impl Into<anyhow::Error>) -> Self {
        Self::Usage(FailureReport { error: error.into(), snippet: None, remedy: None })
    }

    /// A negative result, because of `error`.
    pub(crate) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self::Failed(Some(FailureReport { error: error.into(), snippet: None, remedy: None }))
    }

    /// Adds help.
    pub(crate) fn remedy(mut self, text: impl Into<String>) -> Self {
        if let Self::Failed(Some(report)) | Self::Error(report) | Self::Usage(report) = &mut self {
            report.remedy = Some(text.into());
        }
        self
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Error(_) | Self::Reported => 2,
            Self::Usage(_) => 3,
            Self::Signal(number) => 128_u8.saturating_add(*number),
        }
    }

    pub(crate) fn report(&self) -> Option<&FailureReport> {
        match self {
            Self::Failed(report) => report.as_ref(),
            Self::Error(report) | Self::Usage(report) => Some(report),
            Self::Signal(_) | Self::Reported => None,
        }
    }
}

/// Any other error ends the command.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Error(FailureReport { error: error.into(), snippet: None, remedy: None })
    }
}

/// The result of a command.
pub(crate) type CommandResult = Result<(), Failure>;
