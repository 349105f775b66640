//! The dependencies of a package as they are in its header: those that are declared, those that its files bring, and those that
//! the crate `rpm` adds, each once, in rpm's order.
//!
//! That crate writes what it is given and what it adds in one go: twice where both say the same, and without a way to leave
//! out what it adds. So it gets no dependencies, and its header is completed here.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rpm::{
    Dependency, DependencyFlags, Error, Header, HeaderEntry, IndexData, IndexTag, Package, RpmFormat,
    SignatureHeaderBuilder,
};

use crate::automatic::Automatic;
use crate::definition::RpmDefinition;
use crate::dependency::Relation;
use crate::scriptlets::ScriptletInterpreter;
use crate::triggers;

/// Where the header has each relation: the tags of the names, the flags and the versions.
const TAGS: [(Relation, [IndexTag; 3]); 8] = [
    (
        Relation::Requires,
        [IndexTag::RPMTAG_REQUIRENAME, IndexTag::RPMTAG_REQUIREFLAGS, IndexTag::RPMTAG_REQUIREVERSION],
    ),
    (
        Relation::Provides,
        [IndexTag::RPMTAG_PROVIDENAME, IndexTag::RPMTAG_PROVIDEFLAGS, IndexTag::RPMTAG_PROVIDEVERSION],
    ),
    (
        Relation::Conflicts,
        [IndexTag::RPMTAG_CONFLICTNAME, IndexTag::RPMTAG_CONFLICTFLAGS, IndexTag::RPMTAG_CONFLICTVERSION],
    ),
    (
        Relation::Obsoletes,
        [IndexTag::RPMTAG_OBSOLETENAME, IndexTag::RPMTAG_OBSOLETEFLAGS, IndexTag::RPMTAG_OBSOLETEVERSION],
    ),
    (
        Relation::Recommends,
        [IndexTag::RPMTAG_RECOMMENDNAME, IndexTag::RPMTAG_RECOMMENDFLAGS, IndexTag::RPMTAG_RECOMMENDVERSION],
    ),
    (
        Relation::Suggests,
        [IndexTag::RPMTAG_SUGGESTNAME, IndexTag::RPMTAG_SUGGESTFLAGS, IndexTag::RPMTAG_SUGGESTVERSION],
    ),
    (
        Relation::Supplements,
        [
            IndexTag::RPMTAG_SUPPLEMENTNAME,
            IndexTag::RPMTAG_SUPPLEMENTFLAGS,
            IndexTag::RPMTAG_SUPPLEMENTVERSION,
        ],
    ),
    (
        Relation::Enhances,
        [IndexTag::RPMTAG_ENHANCENAME, IndexTag::RPMTAG_ENHANCEFLAGS, IndexTag::RPMTAG_ENHANCEVERSION],
    ),
];

/// Where the header says which file brings which dependency.
const PER_FILE: [IndexTag; 3] =
    [IndexTag::RPMTAG_FILEDEPENDSX, IndexTag::RPMTAG_FILEDEPENDSN, IndexTag::RPMTAG_DEPENDSDICT];

/// The dependencies that one file brings, with what they are: `P` for provided, `R` for required ones.
type OfFile = Vec<(u8, Dependency)>;

type Lists = BTreeMap<Relation, Vec<Dependency>>;

/// Completes the package. `found` has what each installed path brings.
///
/// # Errors
///
/// Those of the crate `rpm`, where the package is not one that it made.
pub(crate) fn complete(
    package: Package,
    definition: &RpmDefinition,
    found: &BTreeMap<String, Automatic>,
) -> Result<Package, Error> {
    let metadata = &package.metadata;
    let paths = metadata.get_file_paths()?;
    let mut of_files = of_files(&metadata.header, paths.len())?;
    let mut added = BTreeMap::from(TAGS.map(|(relation, tags)| (relation, existing(&metadata.header, tags))));

    // What the crate found in files of `sysusers.d`, and `config(NAME)`, are automatic as well.
    for (relation, kind, wanted) in [
        (Relation::Provides, b'P', definition.auto_provides),
        (Relation::Requires, b'R', definition.auto_requires),
    ] {
        if wanted {
            continue;
        }
        let brought: Vec<Dependency> =
            of_files.iter().flatten().filter(|(of, _)| *of == kind).map(|(_, one)| one.clone()).collect();
        of_files.iter_mut().for_each(|one| one.retain(|(of, _)| *of != kind));
        if let Some(list) = added.get_mut(&relation) {
            list.retain(|one| !one.flags.contains(DependencyFlags::CONFIG) && !brought.contains(one));
        }
    }
    for (path, of_file) in paths.iter().zip(&mut of_files) {
        let Some(automatic) = path.to_str().and_then(|path| found.get(path)) else { continue };
        for (kind, flag, list) in [
            (b'P', DependencyFlags::FIND_PROVIDES, &automatic.provides),
            (b'R', DependencyFlags::FIND_REQUIRES, &automatic.requires),
        ] {
            of_file.extend(list.iter().map(|one| {
                let mut one = one.to_rpm();
                one.flags |= flag;
                (kind, one)
            }));
        }
    }

    let mut lists = Lists::new();
    for (relation, _) in TAGS {
        let mut list = added.remove(&relation).unwrap_or_default();
        list.extend(definition.dependencies(relation).iter().map(|declared| {
            let mut one = declared.to_rpm();
            if one.name.starts_with("rpmlib(") {
                one.flags |= DependencyFlags::RPMLIB;
            }
            one
        }));
        if relation == Relation::Requires {
            list.extend(definition.scriptlet_requires.all().into_iter().flat_map(|(flag, declared)| {
                declared.iter().map(move |one| {
                    let mut one = one.to_rpm();
                    one.flags |= flag;
                    one
                })
            }));
            // The crate requires what runs scriptlets. Triggers are added here.
            let triggers = definition.triggers.iter().map(|trigger| &trigger.interpreter);
            let triggers =
                triggers.chain(definition.file_triggers.iter().map(|trigger| &trigger.interpreter));
            list.extend(triggers.map(|interpreter| Dependency::interp(interpreter.program())));
        }
        let kind = match relation {
            Relation::Provides => b'P',
            Relation::Requires => b'R',
            _ => 0,
        };
        list.extend(of_files.iter().flatten().filter(|(of, _)| *of == kind).map(|(_, one)| one.clone()));
        lists.insert(relation, list);
    }
    features(&mut lists, definition);
    for list in lists.values_mut() {
        list.sort_by(in_order);
        list.dedup();
    }
    rewrite(package, &lists, &of_files, triggers::entries(definition))
}

/// The order of dependencies in a header.
pub(crate) fn in_order(one: &Dependency, other: &Dependency) -> Ordering {
    let (name, version) = (one.name.cmp(&other.name), one.version.cmp(&other.version));
    name.then(version).then(one.flags.bits().cmp(&other.flags.bits()))
}

/// What rpm must know in order to read the versions and expressions.
fn features(lists: &mut Lists, definition: &RpmDefinition) {
    let mut needed: Vec<_> = definition.compression.feature().into_iter().collect();
    for (character, feature, since) in
        [('~', "TildeInVersions", "4.10.0-1"), ('^', "CaretInVersions", "4.15.0-1")]
    {
        if lists.values().flatten().any(|one| one.version.contains(character))
            || definition.declared().any(|one| one.version_contains(character))
        {
            needed.push((feature, since));
        }
    }
    // The crate requires the interpreter of scriptlets as a file, which the Lua in rpm is not.
    let lua = ScriptletInterpreter::LUA;
    let requires = lists.entry(Relation::Requires).or_default();
    if requires.iter().any(|one| one.name == lua) {
        requires.retain(|one| one.name != lua);
        needed.push(("BuiltinLuaScripts", "4.2.2-1"));
    }
    if definition.declared().any(crate::Dependency::is_rich) {
        needed.push(("RichDependencies", "4.12.0-1"));
    }
    let requires = lists.entry(Relation::Requires).or_default();
    requires.extend(needed.into_iter().map(|(feature, since)| Dependency::rpmlib(feature, since)));
}

/// The dependencies of one kind, as tags of a header.
fn stored(list: &[Dependency], [names, flags, versions]: [IndexTag; 3]) -> Vec<HeaderEntry> {
    if list.is_empty() {
        return Vec::new();
    }
    let texts =
        |text: fn(&Dependency) -> &String| IndexData::StringArray(list.iter().map(text).cloned().collect());
    let bits = list.iter().map(|one| one.flags.bits()).collect();
    vec![
        HeaderEntry::new(names as u32, texts(|one| &one.name)),
        HeaderEntry::new(flags as u32, IndexData::Int32(bits)),
        HeaderEntry::new(versions as u32, texts(|one| &one.version)),
    ]
}

/// What a source package requires of what the crate made it require: the names of its files have no `./` before them, and it
/// provides nothing.
pub(crate) fn of_source(header: &Header<IndexTag>) -> Vec<HeaderEntry> {
    let [(_, tags), ..] = TAGS;
    let mut requires = existing(header, tags);
    requires.retain(|one| one.name != "rpmlib(PayloadFilesHavePrefix)");
    stored(&requires, tags)
}

/// Whether a tag belongs to the dependencies.
pub(crate) fn is_tag(tag: u32) -> bool {
    TAGS.iter().flat_map(|(_, tags)| tags).chain(&PER_FILE).any(|known| *known as u32 == tag)
}

fn existing(header: &Header<IndexTag>, [names, flags, versions]: [IndexTag; 3]) -> Vec<Dependency> {
    // The crate leaves out tags without content.
    let names = header.get_entry_data_as_string_array(names).unwrap_or_default();
    let flags = header.get_entry_data_as_u32_array(flags).unwrap_or_default();
    let versions = header.get_entry_data_as_string_array(versions).unwrap_or_default();
    let parts = names.into_iter().zip(flags).zip(versions);
    parts
        .map(|((name, flags), version)| Dependency {
            name: name.to_owned(),
            flags: DependencyFlags::from_bits_retain(flags),
            version: version.to_owned(),
        })
        .collect()
}

/// What the crate found in each file, in the order of the files.
fn of_files(header: &Header<IndexTag>, files: usize) -> Result<Vec<OfFile>, Error> {
    let mut all = vec![OfFile::new(); files];
    let [starts, counts, dictionary] = PER_FILE;
    if !header.entry_is_present(dictionary as u32) {
        return Ok(all);
    }
    let dictionary = header.get_entry_data_as_u32_array(dictionary)?;
    let starts = header.get_entry_data_as_u32_array(starts)?;
    let counts = header.get_entry_data_as_u32_array(counts)?;
    let lists = [(b'R', existing(header, TAGS[0].1)), (b'P', existing(header, TAGS[1].1))];
    for (one, (start, count)) in all.iter_mut().zip(starts.into_iter().zip(counts)) {
        for entry in dictionary.iter().skip(start as usize).take(count as usize) {
            let [kind, index @ ..] = entry.to_be_bytes();
            let index = index.into_iter().fold(0, |index, byte| index << 8 | usize::from(byte));
            let list = lists.iter().find(|(of, _)| *of == kind);
            if let Some(dependency) = list.and_then(|(_, list)| list.get(index)) {
                one.push((kind, dependency.clone()));
            }
        }
    }
    Ok(all)
}

/// The package with these dependencies, each list in order, in place of its own, and with `more` in its header.
fn rewrite(
    package: Package,
    lists: &Lists,
    of_files: &[OfFile],
    more: Vec<HeaderEntry>,
) -> Result<Package, Error> {
    let replaced = |tag: u32| tag == IndexTag::RPMTAG_HEADERIMMUTABLE as u32 || is_tag(tag);
    let entries = package.metadata.header.get_all_entries()?;
    let mut entries: Vec<HeaderEntry> = entries
        .into_iter()
        .filter(|(tag, _)| !replaced(*tag))
        .map(|(tag, data)| HeaderEntry::new(tag, data))
        .chain(more)
        .collect();
    for (relation, tags) in TAGS {
        entries.extend(stored(lists.get(&relation).map(Vec::as_slice).unwrap_or_default(), tags));
    }
    let (mut starts, mut counts, mut dictionary) = (Vec::new(), Vec::new(), Vec::new());
    for of_file in of_files {
        let before = dictionary.len();
        for (kind, dependency) in of_file {
            let relation = if *kind == b'P' { Relation::Provides } else { Relation::Requires };
            let list = lists.get(&relation).map(Vec::as_slice).unwrap_or_default();
            if let Ok(index) = list.binary_search_by(|one| in_order(one, dependency)) {
                dictionary.push(u32::from(*kind) << 24 | (u32::try_from(index).unwrap_or(0) & 0x00ff_ffff));
            }
        }
        let count = dictionary.len() - before;
        starts.push(if count == 0 { 0 } else { u32::try_from(before).unwrap_or(0) });
        counts.push(u32::try_from(count).unwrap_or(0));
    }
    if !dictionary.is_empty() {
        for (tag, numbers) in PER_FILE.into_iter().zip([starts, counts, dictionary]) {
            entries.push(HeaderEntry::new(tag as u32, IndexData::Int32(numbers)));
        }
    }

    with_header(package, entries)
}

/// The package with this header, and the digests of it.
pub(crate) fn with_header(mut package: Package, entries: Vec<HeaderEntry>) -> Result<Package, Error> {
    package.metadata.header = Header::from_entries(entries, IndexTag::RPMTAG_HEADERIMMUTABLE);
    let header = package.header_bytes()?;
    package.metadata.signature = SignatureHeaderBuilder::from_existing(&package.metadata.signature)?
        .format(RpmFormat::V4)
        .calculate_digests(&header)
        .set_content_length(header.len() as u64 + package.payload.len() as u64)
        .build()?;
    Ok(package)
}
