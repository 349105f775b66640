//! How a command ends when it does not end well: the exit code, the message, and what to do about it.

use std::fmt;

/// A command that did not succeed. The variants are the exit codes that the documentation promises.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit 1: the command ran to its end and the answer is no: a verification or a task failed. What there is to say has
    /// been said, unless there is a report.
    Failed(Option<Report>),
    /// Exit 2: the command broke off.
    Broke(Report),
    /// Exit 2 as well, where what there is to say has been said.
    Told,
    /// Exit 3: the command line or the configuration is wrong.
    Usage(Report),
    /// Exit 128 + n: signal n.
    Signal(u8),
}

/// An error with what to do about it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) error: anyhow::Error,
    /// The place in a file, drawn.
    pub(crate) snippet: Option<String>,
    pub(crate) remedy: Option<String>,
}

impl Failure {
    pub(crate) fn usage(message: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Self {
        Self::Usage(Report { error: anyhow::Error::msg(message), snippet: None, remedy: None })
    }

    /// What was asked for is wrong, as `error` says.
    pub(crate) fn usage_by(error: impl Into<anyhow::Error>) -> Self {
        Self::Usage(Report { error: error.into(), snippet: None, remedy: None })
    }

    /// The answer is no, and this says why.
    pub(crate) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self::Failed(Some(Report { error: error.into(), snippet: None, remedy: None }))
    }

    /// Adds what to do about it.
    pub(crate) fn remedy(mut self, text: impl Into<String>) -> Self {
        if let Self::Failed(Some(report)) | Self::Broke(report) | Self::Usage(report) = &mut self {
            report.remedy = Some(text.into());
        }
        self
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Broke(_) | Self::Told => 2,
            Self::Usage(_) => 3,
            Self::Signal(number) => 128_u8.saturating_add(*number),
        }
    }

    pub(crate) fn report(&self) -> Option<&Report> {
        match self {
            Self::Failed(report) => report.as_ref(),
            Self::Broke(report) | Self::Usage(report) => Some(report),
            Self::Signal(_) | Self::Told => None,
        }
    }
}

/// Whatever is not said to be something else broke the command off.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Broke(Report { error: error.into(), snippet: None, remedy: None })
    }
}

/// The result of a command.
pub(crate) type Outcome = Result<(), Failure>;
