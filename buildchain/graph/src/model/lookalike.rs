//! "Did you mean": names that are similar to the one that the user typed.

/// At most three of `known` that are similar to `name`, the most similar first.
pub(crate) fn of(name: &str, known: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    let mut similar: Vec<(f64, String)> = known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(name, known.as_ref()), known.as_ref().to_owned()))
        .filter(|(similarity, _)| *similarity >= 0.8)
        .collect();
    similar.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    // Several links can miss one path.
    similar.dedup();
    similar.truncate(3);
    similar.into_iter().map(|(_, name)| name).collect()
}

/// The end of a message: `; did you mean `a` or `b`?`, or nothing.
pub(crate) fn hint(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<String> = names.iter().map(|name| content::printable(name).to_string()).collect();
    format!("; did you mean `{}`?", names.join("` or `"))
}
