//! The graph as a picture or as data.

use std::fmt::Write as _;

use serde_json::json;

use crate::model::graph::Graph;
use crate::model::linked::TaskId;
use crate::model::selection::SelectedTasks;
use crate::model::task::{TaskInput, TaskOutput};
use crate::report::xml::escape;

/// The form of an exported graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphForm {
    /// Graphviz.
    Dot,
    /// A flowchart of Mermaid, which many documentation tools draw.
    Mermaid,
    /// A picture.
    Svg,
    /// `{"tasks": [{"name", "doc", "title", "group", "private", "needs", "inputs", "outputs", "pool"}]}`
    Json,
}

/// The selected tasks and their dependencies, with an edge from each dependency.
#[must_use]
pub fn export(graph: &Graph, selection: &SelectedTasks, form: GraphForm) -> String {
    let cone = graph.cone(selection);
    match form {
        GraphForm::Dot => dot(graph, &cone),
        GraphForm::Mermaid => mermaid(graph, &cone),
        GraphForm::Svg => svg(graph, &cone),
        GraphForm::Json => json(graph, &cone),
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
                    TaskInput::File(path) => json!({"file": path.to_string_lossy()}),
                    TaskInput::Named { name, path } => {
                        json!({"name": name, "file": path.to_string_lossy()})
                    }
                    TaskInput::Folder { path, exclude } => {
                        json!({"folder": path.to_string_lossy(), "exclude": exclude})
                    }
                    TaskInput::Glob { root, pattern } => {
                        json!({"folder": root.to_string_lossy(), "glob": pattern})
                    }
                    TaskInput::Value { name, value } => json!({"name": name, "value": value}),
                })
                .collect();
            let outputs: Vec<_> = task
                .outputs
                .iter()
                .map(|output| match output {
                    TaskOutput::File(path) => json!({"file": path.to_string_lossy()}),
                    TaskOutput::Folder(path) => json!({"folder": path.to_string_lossy()}),
                })
                .collect();
            json!({
                "name": task.name,
                "doc": task.doc,
                "title": task.shown_title(),
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

/// Columns by depth: a task is to the right of its dependencies.
fn svg(graph: &Graph, cone: &[TaskId]) -> String {
    const ROW: usize = 30;
    const GAP: usize = 60;
    const CHARACTER: usize = 8;
    let mut depth = vec![0; graph.tasks().len()];
    let mut columns: Vec<Vec<TaskId>> = Vec::new();
    let depth_of = |depth: &[usize], id: TaskId| depth.get(id.index()).copied().unwrap_or(0);
    for &id in cone {
        let column = graph.needs(id).iter().map(|need| depth_of(&depth, *need) + 1).max().unwrap_or(0);
        if let Some(depth) = depth.get_mut(id.index()) {
            *depth = column;
        }
        columns.resize_with(columns.len().max(column + 1), Vec::new);
        if let Some(tasks) = columns.get_mut(column) {
            tasks.push(id);
        }
    }
    let mut positions = vec![(0, 0, 0); graph.tasks().len()];
    let mut left = 10;
    for tasks in &columns {
        let width =
            tasks.iter().map(|id| graph.task(*id).name.chars().count()).max().unwrap_or(0) * CHARACTER + 16;
        for (row, id) in tasks.iter().enumerate() {
            if let Some(position) = positions.get_mut(id.index()) {
                *position = (left, 10 + row * ROW, width);
            }
        }
        left += width + GAP;
    }
    let position = |id: TaskId| positions.get(id.index()).copied().unwrap_or_default();
    let height = columns.iter().map(Vec::len).max().unwrap_or(0) * ROW + 20;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{left}\" height=\"{height}\" font-family=\"monospace\" font-size=\"13\">\n"
    );
    for (from, to) in edges(graph, cone) {
        let ((x, y, width), (to_x, to_y, _)) = (position(from), position(to));
        let (x, y, to_y) = (x + width, y + 11, to_y + 11);
        let (near, far) = (x + GAP / 2, to_x.saturating_sub(GAP / 2));
        let _ = writeln!(
            text,
            "<path d=\"M{x} {y}C{near} {y} {far} {to_y} {to_x} {to_y}\" fill=\"none\" stroke=\"gray\"/>"
        );
    }
    for &id in cone {
        let (x, y, width) = position(id);
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
