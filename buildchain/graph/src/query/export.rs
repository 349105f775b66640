//! The graph as a picture or as data.

use std::fmt::Write as _;

use serde_json::json;

use crate::model::graph::{Graph, TaskId};
use crate::model::selection::Selection;
use crate::model::task::{Input, Output};

/// The form of an exported graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Graphviz.
    Dot,
    /// Mermaid's flowcharts, which many documentation tools draw.
    Mermaid,
    /// A picture that needs no other program.
    Svg,
    /// `{"tasks": [{"name", "doc", "title", "group", "private", "needs", "inputs", "outputs", "pool"}]}`
    Json,
}

/// The selected tasks and all they need, each with an edge from what it needs.
#[must_use]
pub fn export(graph: &Graph, selection: &Selection, form: Form) -> String {
    let cone = graph.cone(selection);
    match form {
        Form::Dot => dot(graph, &cone),
        Form::Mermaid => mermaid(graph, &cone),
        Form::Svg => svg(graph, &cone),
        Form::Json => json(graph, &cone),
    }
}

fn edges<'a>(graph: &'a Graph, cone: &'a [TaskId]) -> impl Iterator<Item = (TaskId, TaskId)> + 'a {
    cone.iter().flat_map(|id| graph.needs(*id).iter().map(|need| (*need, *id)))
}

fn dot(graph: &Graph, cone: &[TaskId]) -> String {
    let quoted =
        |id: TaskId| format!("\"{}\"", graph.task(id).name.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = "digraph tasks {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for &id in cone {
        let shape = if graph.task(id).is_group() { " [shape=ellipse]" } else { "" };
        let _ = writeln!(text, "  {}{shape};", quoted(id));
    }
    for (from, to) in edges(graph, cone) {
        let _ = writeln!(text, "  {} -> {};", quoted(from), quoted(to));
    }
    text + "}\n"
}

fn mermaid(graph: &Graph, cone: &[TaskId]) -> String {
    let mut text = "flowchart LR\n".to_owned();
    for &id in cone {
        let name = graph.task(id).name.replace('"', "#quot;");
        let (open, close) = if graph.task(id).is_group() { ("([", "])") } else { ("[", "]") };
        let _ = writeln!(text, "  t{}{open}\"{name}\"{close}", id.index());
    }
    for (from, to) in edges(graph, cone) {
        let _ = writeln!(text, "  t{} --> t{}", from.index(), to.index());
    }
    text
}

fn json(graph: &Graph, cone: &[TaskId]) -> String {
    let tasks: Vec<_> = cone
        .iter()
        .map(|id| {
            let task = graph.task(*id);
            let inputs: Vec<_> = task
                .inputs
                .iter()
                .map(|input| match input {
                    Input::File(path) => json!({"file": path.to_string_lossy()}),
                    Input::Named { name, path } => {
                        json!({"name": name, "file": path.to_string_lossy()})
                    }
                    Input::Folder { path, exclude } => {
                        json!({"folder": path.to_string_lossy(), "exclude": exclude})
                    }
                    Input::Glob { root, pattern } => {
                        json!({"folder": root.to_string_lossy(), "glob": pattern})
                    }
                    Input::Value { name, value } => json!({"name": name, "value": value}),
                })
                .collect();
            let outputs: Vec<_> = task
                .outputs
                .iter()
                .map(|output| match output {
                    Output::File(path) => json!({"file": path.to_string_lossy()}),
                    Output::Folder(path) => json!({"folder": path.to_string_lossy()}),
                })
                .collect();
            json!({
                "name": task.name,
                "doc": task.doc,
                "title": crate::report::console::title(task),
                "group": task.is_group(),
                "private": task.is_private(),
                "needs": graph.needs(*id).iter().map(|need| &graph.task(*need).name).collect::<Vec<_>>(),
                "inputs": inputs,
                "outputs": outputs,
                "pool": task.pool,
            })
        })
        .collect();
    format!("{}\n", content::printable_json(&json!({ "tasks": tasks }).to_string()))
}

/// Columns by depth: a task stands right of all it needs.
fn svg(graph: &Graph, cone: &[TaskId]) -> String {
    const ROW: usize = 30;
    const GAP: usize = 60;
    const CHARACTER: usize = 8;
    let mut depth = vec![0; graph.tasks().len()];
    let mut columns: Vec<Vec<TaskId>> = Vec::new();
    let depth_of = |depth: &[usize], id: TaskId| depth.get(id.index()).copied().unwrap_or(0);
    for &id in cone {
        let column = graph.needs(id).iter().map(|need| depth_of(&depth, *need) + 1).max().unwrap_or(0);
        if let Some(place) = depth.get_mut(id.index()) {
            *place = column;
        }
        columns.resize_with(columns.len().max(column + 1), Vec::new);
        if let Some(tasks) = columns.get_mut(column) {
            tasks.push(id);
        }
    }
    let mut places = vec![(0, 0, 0); graph.tasks().len()];
    let mut left = 10;
    for tasks in &columns {
        let width =
            tasks.iter().map(|id| graph.task(*id).name.chars().count()).max().unwrap_or(0) * CHARACTER + 16;
        for (row, id) in tasks.iter().enumerate() {
            if let Some(place) = places.get_mut(id.index()) {
                *place = (left, 10 + row * ROW, width);
            }
        }
        left += width + GAP;
    }
    let place = |id: TaskId| places.get(id.index()).copied().unwrap_or_default();
    let height = columns.iter().map(Vec::len).max().unwrap_or(0) * ROW + 20;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{left}\" height=\"{height}\" font-family=\"monospace\" font-size=\"13\">\n"
    );
    for (from, to) in edges(graph, cone) {
        let ((x, y, width), (to_x, to_y, _)) = (place(from), place(to));
        let (x, y, to_y) = (x + width, y + 11, to_y + 11);
        let (near, far) = (x + GAP / 2, to_x.saturating_sub(GAP / 2));
        let _ = writeln!(
            text,
            "<path d=\"M{x} {y}C{near} {y} {far} {to_y} {to_x} {to_y}\" fill=\"none\" stroke=\"gray\"/>"
        );
    }
    for &id in cone {
        let (x, y, width) = place(id);
        let round = if graph.task(id).is_group() { 11 } else { 0 };
        let name = escape(&graph.task(id).name);
        let (text_x, text_y) = (x + 8, y + 15);
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"22\" rx=\"{round}\" fill=\"white\" stroke=\"black\"/>\
             <text x=\"{text_x}\" y=\"{text_y}\">{name}</text>"
        );
    }
    text + "</svg>\n"
}

/// Text for XML.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 knows no way to write these.
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push('\u{fffd}')
            }
            '\n' | '\t' => escaped.push(character),
            // Nothing in a report acts on a terminal.
            character if content::is_unsafe(character) => {
                escaped.push_str(&format!("&#x{:x};", u32::from(character)));
            }
            character => escaped.push(character),
        }
    }
    escaped
}

/// Text for an attribute in XML, on one line: a reader would make blanks of its ends of lines.
pub(crate) fn attribute(text: &str) -> String {
    escape(text).replace('\n', "&#10;").replace('\t', "&#9;")
}
