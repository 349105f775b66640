//! The page of the checks of Solutions.

use archive::check::{CHECKS, CheckGroup};

use super::escaped;

/// All checks, by what they look at.
pub(super) fn page() -> String {
    let mut page = String::from(
        "# Checks of Solutions\n\n\
         `sealift solution check ARCHIVE` checks whether a Solution can be imported and deployed, and whether it follows the \
         guidelines of MetalK8s. Each finding has the name of its check, a severity, a place and a remedy. \
         [The guide](../guide/check-solutions.md) shows how to use it.\n\n\
         | severity | meaning |\n| --- | --- |\n\
         | error | The Solution cannot be deployed as it is, or breaks a rule that MetalK8s enforces. `solution import` refuses the \
         archive, unless `--allow NAME` accepts the errors of the check. |\n\
         | warning | The Solution works, but probably not as its vendor means it, or not on every site. |\n\
         | note | Something could not be checked, or people may want to know it. |\n\n\
         `--allow` does not accept",
    );
    let damage = CHECKS.iter().filter(|name| !name.can_be_allowed());
    let damage: Vec<String> = damage.map(|name| format!("`{}`", name.check().code)).collect();
    let (last, others) =
        damage.split_last().map_or((String::new(), &[][..]), |(last, all)| (last.clone(), all));
    page.push_str(&format!(" {} or {last}: damaged archives are never imported.\n", others.join(", ")));
    for group in CheckGroup::ALL {
        page.push_str(&format!(
            "\n## {}\n\n| name | severity | finds | what to do |\n| --- | --- | --- | --- |\n",
            group.heading()
        ));
        for check in CHECKS.iter().map(|name| name.check()).filter(|check| check.group == group) {
            page.push_str(&format!(
                "| `{}` | {} | {}. | {}. |\n",
                check.code,
                check.severity.word(),
                escaped(check.title),
                escaped(&capitalized(check.remedy))
            ));
        }
    }
    page
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
