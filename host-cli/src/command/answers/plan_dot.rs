//! A plan as a graph for Graphviz: a column for each wave, arrows from a module to its dependents.

use bstr::{BString, ByteSlice};
use depmod_core::Reason;
use depmod_core::parts::answer::Schedule;

/// The text of the graph. Solid arrows are hard dependencies, dashed ones soft, dotted ones weak; requested modules
/// are filled.
pub(super) fn of(schedule: &Schedule) -> String {
    let mut text = String::from(
        "digraph plan {\n  rankdir=LR;\n  ranksep=0.9;\n  \
         node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\", fontsize=11];\n  \
         edge [color=\"#555555\", arrowsize=0.7];\n",
    );
    for module in &schedule.modules {
        let requested = module.reasons.iter().any(|reason| matches!(reason, Reason::Requested(_)));
        let mut attributes = Vec::new();
        if requested {
            attributes.push("fillcolor=\"#cfe3ff\"");
        }
        if module.wave.is_none() {
            attributes.push("style=\"rounded,dashed\"");
        }
        match attributes.is_empty() {
            true => text += &format!("  {};\n", quoted(&module.name)),
            false => text += &format!("  {} [{}];\n", quoted(&module.name), attributes.join(", ")),
        }
    }
    for wave in 0..schedule.waves {
        let names = schedule.modules.iter().filter(|module| module.wave == Some(wave));
        let names: Vec<String> = names.map(|module| quoted(&module.name)).collect();
        text += &format!("  {{ rank=same; {}; }}\n", names.join("; "));
    }
    for module in &schedule.modules {
        let name = quoted(&module.name);
        for reason in &module.reasons {
            match reason {
                Reason::NeededBy(other) => text += &format!("  {name} -> {};\n", quoted(other)),
                Reason::Before(other) => text += &format!("  {name} -> {} [style=dashed];\n", quoted(other)),
                Reason::After(other) => text += &format!("  {} -> {name} [style=dashed];\n", quoted(other)),
                Reason::Later(other) => text += &format!("  {} -> {name} [style=dotted];\n", quoted(other)),
                _ => {}
            }
        }
    }
    text + "}\n"
}

fn quoted(name: &BString) -> String {
    let mut text = String::from("\"");
    for c in name.to_str_lossy().chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => text.push('?'),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_name_stays_a_name() {
        assert_eq!(quoted(&"a\"b\\c\nd".into()), r#""a\"b\\c?d""#);
    }
}
