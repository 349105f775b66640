//! The help of every command.

use clap::Command;

/// Calls `look` with each command that is shown, and the words that call it.
fn each(command: &Command, name: &str, look: &mut impl FnMut(&str, &Command)) {
    look(name, command);
    for one in command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help") {
        each(one, &format!("{name} {}", one.get_name()), look);
    }
}

fn built() -> Command {
    let mut command = super::command().term_width(100);
    command.build();
    command
}

/// A change of words shows in review: `INSTA_UPDATE=always cargo test -p sealift help` accepts it.
#[test]
fn the_help_of_every_command() {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        each(&built(), "sealift", &mut |name, _| {
            let words = name.split(' ').chain(["--help"]);
            let help = super::command().term_width(100).try_get_matches_from(words).unwrap_err();
            insta::assert_snapshot!(name.replace(' ', "-"), help.to_string());
        });
    });
}

#[test]
fn what_a_command_does_fits_in_a_line() {
    each(&built(), "sealift", &mut |name, command| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let length = about.chars().count();
        let sound =
            (1..=80).contains(&length) && about.starts_with(char::is_uppercase) && !about.ends_with('.');
        assert!(sound || name == "sealift", "{name}: {about} ({length})");
    });
}

#[test]
fn the_first_page_fits_in_80_columns() {
    for line in built().term_width(80).render_help().to_string().lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn quiet_and_verbose_are_understood_before_and_after_the_command() {
    use clap::FromArgMatches as _;

    use crate::output::Level;

    for (words, level) in [
        ("sealift version", Ok(Level::Normal)),
        ("sealift -q archive inspect a", Ok(Level::Quiet)),
        ("sealift archive -q inspect a", Ok(Level::Quiet)),
        ("sealift archive inspect a --quiet", Ok(Level::Quiet)),
        ("sealift run -v iso", Ok(Level::Verbose)),
        ("sealift --verbose run iso", Ok(Level::Verbose)),
        ("sealift -q run -v iso", Err(())),
    ] {
        let matches = super::command().try_get_matches_from(words.split(' ')).unwrap();
        let arguments = super::Arguments::from_arg_matches(&matches).unwrap();
        assert_eq!(arguments.global.level().map_err(drop), level, "{words}");
    }
}

#[test]
fn former_and_alternative_words_mean_the_same() {
    use clap::FromArgMatches as _;

    for (words, same) in [
        ("graph --form svg", "graph -o svg"),
        ("run -o json", "run --reporter json"),
        ("registry serve a --plain-http", "registry serve a --no-tls"),
        ("archive list", "archive get"),
        ("archive ls", "archive get"),
        ("archive check a", "archive verify a"),
        ("archive umount a", "archive unmount a"),
        ("image list d", "image ls d"),
        ("iso list i", "iso ls i"),
        ("iso verify i", "iso check i"),
    ] {
        let read = |words: &str| {
            let words = std::iter::once("sealift").chain(words.split(' '));
            let matches = super::command().try_get_matches_from(words).unwrap();
            format!("{:?}", super::Arguments::from_arg_matches(&matches).unwrap())
        };
        assert_eq!(read(words), read(same), "{words}");
    }
}

#[test]
fn options_that_describe_a_solution_name_one_operator_and_one_interface() {
    let described = "sealift solution build --name a --version 1 --operator-image a 1 --ui-image b 1";
    for (more, is_valid) in [
        ("", true),
        (" --extra-image c 1 --extra-image d 1", true),
        (" --operator-image c 1", false),
        (" --ui-image c 1", false),
        (" --layout 2019 --require-metalk8s >=2.7", true),
        (" --layout 2019", false),
    ] {
        let words = format!("{described}{more}");
        let parsed = super::command().try_get_matches_from(words.split(' '));
        assert_eq!(parsed.is_ok(), is_valid, "{words}: {parsed:?}");
    }
}

#[test]
fn n_is_the_number_of_jobs_on_every_command() {
    fn check(command: &clap::Command) {
        for arg in command.get_arguments() {
            let shorts = arg.get_short_and_visible_aliases().unwrap_or_default();
            let hidden = arg.get_all_short_aliases().unwrap_or_default();
            if shorts.contains(&'n') || hidden.contains(&'n') {
                assert_eq!(arg.get_long(), Some("jobs"), "{}", command.get_name());
            }
        }
        command.get_subcommands().for_each(check);
    }
    check(&super::command());
}
