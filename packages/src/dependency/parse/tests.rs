use proptest::prelude::*;

use super::*;

fn written(all: &[Dependency]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

#[test]
fn reads_what_spec_files_say() {
    for (text, expected) in [
        ("nginx", &["nginx"][..]),
        ("  /bin/sh ", &["/bin/sh"]),
        ("nginx >= 1:1.20-3", &["nginx >= 1:1.20-3"]),
        ("a => 1, b == 2 c =< 3", &["a >= 1", "b = 2", "c <= 3"]),
        ("a,b", &["a", "b"]),
        ("a 1", &["a", "1"]),
        (",", &[]),
        ("a>=1", &["a>=1"]),
        ("font(:lang=en)", &["font(:lang=en)"]),
        ("libc.so.6(GLIBC_2.34)(64bit)", &["libc.so.6(GLIBC_2.34)(64bit)"]),
        ("(firewalld or\tnftables==1)x", &["(firewalld or nftables==1)", "x"]),
        ("(a(x or b)", &["(a(x or b)"]),
        ("( (a),or (b with c =< 1) )", &["((a) or (b with c <= 1))"]),
    ] {
        assert_eq!(written(&list(Relation::Requires, text).unwrap()), expected, "{text}");
    }
}

#[test]
fn a_refusal_says_what_is_wrong_and_what_to_write() {
    use Relation::{Conflicts, Obsoletes, Provides, Requires};
    for (relation, text, part) in [
        (Requires, "", "write a name"),
        (Requires, " ", "write a name"),
        (Requires, "a\u{1}b", "control character"),
        (Requires, "a >=", "write `a >= 1.0`"),
        (Requires, "a >> 1", "`>>` is not a comparison"),
        (Requires, "a >=1", "with spaces around it"),
        (Requires, "-a", "`-a` does not start with"),
        (Requires, "a = 1-2-3", "more than one `-`; write `[EPOCH:]VERSION[-RELEASE]`"),
        (Requires, "a = 1:2:3", "more than one `:`"),
        (Requires, "a = x:1", "the epoch of the version `x:1` is not a number"),
        (Requires, "a = 1/2", "invalid character `/`"),
        (Requires, "a = 1..2", "two dots"),
        (Requires, "/bin/sh = 1", "write the path alone"),
        (Obsoletes, "/bin/sh", "not the name of a package"),
        (Obsoletes, "(a or b)", "`obsoletes` takes no expression"),
        (Provides, "(a or b)", "`provides` takes no expression"),
        (Provides, "rpmlib(x)", "under `requires`"),
        (Requires, "()", "write `(a or b)`"),
        (Requires, "(a or)", "write `(a or b)`"),
        (Requires, "(a or", "a name is missing"),
        (Requires, "(a or b", "closing parenthesis"),
        (Requires, "(b or a(,)", "in the name `a(` is not closed"),
        (Requires, "(a nor b)", "`nor` is not an operator"),
        (Requires, "(a or b and c)", "`or` and `and` cannot be combined"),
        (Requires, "(a if b if c)", "`if` occurs twice"),
        (Requires, "(a with (b and c))", "`with` and `without` take only"),
        (Requires, "(a unless b)", "with `or`"),
        (Conflicts, "(a if b)", "with `and`"),
    ] {
        let reason = list(relation, text).unwrap_err().to_string();
        assert!(reason.contains(part), "{text}: {reason}");
    }
}

#[test]
fn no_depth_of_parentheses_exhausts_the_stack() {
    let deep = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    let text = deep(1_000_000);
    assert_eq!(written(&list(Relation::Requires, &text).unwrap()), [text.as_str()]);
    for unbalanced in [&text[1..], &text[..text.len() - 1]] {
        let error = list(Relation::Requires, unbalanced).unwrap_err().to_string();
        assert!(error.contains("parenthesis"), "{error}");
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        text in "([abc]|1|[.:~-]|[(),]|[<=>]| |and|or|if|unless|else|with(out)?|[^a]){0,24}",
        index in 0..8_usize,
    ) {
        let relation = Relation::ALL[index];
        if let Ok(all) = list(relation, &text) {
            let once = written(&all);
            prop_assert_eq!(list(relation, &format!("{} ,", once.join(", "))).unwrap(), all);
            for dependency in once {
                prop_assert_eq!(list(relation, &dependency).unwrap().len(), 1);
            }
        }
    }
}
