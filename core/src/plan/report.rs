//! A stack as text for people.

use alloc::{format, string::String, vec::Vec};

use super::{
    resolve::Request,
    stack::{Finding, PlannedModule, Stack, Why},
};

impl Stack {
    /// What was chosen and why, one line each; the same text for the same stack.
    ///
    /// ```text
    /// 6.1.0-50-cloud-amd64: 3 modules to load, 1 carried along
    ///
    /// load
    ///   kernel/drivers/virtio/virtio.ko: virtio_pci needs it
    /// ```
    #[must_use]
    pub fn report(&self, version: &str, requests: &[Request]) -> String {
        let lines = |load: bool| -> Vec<String> {
            let modules = self.modules.iter().filter(|module| module.load == load);
            modules
                .map(|PlannedModule { path, why, .. }| format!("{}: {}", text(path), reason(why, requests)))
                .collect()
        };
        let (load, carry) = (lines(true), lines(false));
        let mut builtin = Vec::new();
        let mut missing = Vec::new();
        let mut blacklisted = Vec::new();
        for finding in &self.findings {
            match finding {
                Finding::Builtin { why, names } => {
                    let names: Vec<_> = names.iter().map(|name| text(name)).collect();
                    builtin.push(format!("{}: {}", names.join(" "), reason(why, requests)));
                }
                Finding::Blacklisted { why, name } => {
                    blacklisted.push(format!("{}: {}", text(name), reason(why, requests)));
                }
                Finding::Missing { why, query } => {
                    let asked = matches!(why, Why::Asked(number) if requests.get(*number).is_some());
                    missing.push(if asked {
                        reason(why, requests)
                    } else {
                        format!("{}: {}", text(query), reason(why, requests))
                    });
                }
            }
        }
        let mut out = format!("{version}: {} modules to load, {} carried along\n", load.len(), carry.len());
        for (title, lines) in [
            ("load", load),
            ("carried along", carry),
            ("built in", builtin),
            ("blacklisted", blacklisted),
            ("no module", missing),
        ] {
            if !lines.is_empty() {
                out.push_str(&format!("\n{title}\n"));
                lines.iter().for_each(|line| out.push_str(&format!("  {line}\n")));
            }
        }
        out
    }
}

fn reason(why: &Why, requests: &[Request]) -> String {
    match why {
        Why::Asked(number) => match requests.get(*number) {
            Some(Request { query, origin }) => format!("{} ({origin})", text(query)),
            None => format!("request {number}"),
        },
        Why::Hard(of) => format!("{} needs it", text(of)),
        Why::Before(of) => format!("{} wants it before (softdep)", text(of)),
        Why::After(of) => format!("{} wants it after (softdep)", text(of)),
        Why::Later(of) => format!("{} may ask for it", text(of)),
    }
}

/// Bytes of input, made harmless: a line stays a line.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part() {
        let module = |name: &str, load, why| PlannedModule {
            name: name.into(),
            path: format!("kernel/{name}.ko").into(),
            load,
            why,
        };
        let stack = Stack {
            modules: [
                module("virtio", true, Why::Hard(b"virtio_pci".to_vec())),
                module("virtio_pci", true, Why::Asked(0)),
                module("late", false, Why::Later(b"virtio".to_vec())),
            ]
            .into(),
            findings: [
                Finding::Builtin { why: Why::Asked(1), names: [b"unix".to_vec()].into() },
                Finding::Blacklisted { why: Why::Asked(0), name: b"bad".to_vec() },
                Finding::Missing { why: Why::Asked(2), query: b"gone".to_vec() },
                Finding::Missing { why: Why::Before(b"a".to_vec()), query: b"x\ny".to_vec() },
            ]
            .into(),
        };
        let requests = [
            Request::new("pci:v1", "PCI 0000:00:01.0"),
            Request::new("net-pf-1", "x-depmod-preload"),
            Request::new("gone", "x-depmod-preload"),
        ];
        let expected = "6.1: 2 modules to load, 1 carried along

load
  kernel/virtio.ko: virtio_pci needs it
  kernel/virtio_pci.ko: pci:v1 (PCI 0000:00:01.0)

carried along
  kernel/late.ko: virtio may ask for it

built in
  unix: net-pf-1 (x-depmod-preload)

blacklisted
  bad: pci:v1 (PCI 0000:00:01.0)

no module
  gone (x-depmod-preload)
  x?y: a wants it before (softdep)
";
        assert_eq!(stack.report("6.1", &requests), expected);
    }
}
