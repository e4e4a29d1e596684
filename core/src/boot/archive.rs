//! An archive as a file system: the files after the kernel has unpacked it.

use alloc::{collections::BTreeMap, vec, vec::Vec};
use core::fmt;

use bstr::BStr;

use crate::cpio::{CpioError, MODE_TYPE, Member, Members};
use crate::limits::{Limits, NO_MEMORY};
use crate::name::PATH_MAX;
use crate::source::{DirEntry, EntryKind, FileKind, IoError, Source, Stat};

/// Limit on links in one path, as in Linux (`MAXSYMLINKS`).
const LINKS_MAX: usize = 40;
/// Limit on the length of a link target.
const TARGET_MAX: usize = PATH_MAX - 1;
const ROOT: usize = 0;

/// The files of one or more concatenated archives. Later members replace earlier ones; directories exist
/// implicitly, as parents of files; links are followed, so that `lib -> usr/lib` works.
///
/// ```
/// use depmod_core::{Limits, Source, parts::{boot::Archive, cpio::Builder}};
///
/// let mut builder = Builder::new();
/// builder.file(b"/lib/modules/6.1/modules.order", b"kernel/a.ko\n");
/// let bytes = builder.build()?;
/// let archive = Archive::parse(&bytes, &Limits::DEFAULT)?;
/// assert_eq!(archive.read(b"/lib/modules/6.1/modules.order", 100)?, b"kernel/a.ko\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Archive<'a> {
    nodes: Vec<Node<'a>>,
    /// Number of path components resolved through links during unpacking.
    detours: usize,
}

#[derive(Clone, Debug)]
struct Node<'a> {
    parent: usize,
    kind: Kind<'a>,
}

#[derive(Clone, Debug)]
enum Kind<'a> {
    Directory(BTreeMap<&'a BStr, usize>),
    File(&'a [u8]),
    Link(&'a BStr),
    Other(u32),
}

/// The reason for rejecting archives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The archive is corrupt.
    Format(CpioError),
    /// The member at this offset has an invalid path: through a file or a loop of links, or too deep.
    Path(usize),
    /// More than this number of files, directories and links.
    TooManyMembers(usize),
    /// Memory is exhausted.
    Memory,
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(_) => f.write_str("cannot read cpio archive"),
            Self::Path(offset) => write!(f, "invalid path of the cpio member at offset {offset:#x}"),
            Self::TooManyMembers(most) => write!(f, "more than {most} files in cpio archive"),
            Self::Memory => f.write_str(NO_MEMORY),
        }
    }
}

impl core::error::Error for ArchiveError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Format(error) => Some(error),
            Self::Path(_) | Self::TooManyMembers(_) | Self::Memory => None,
        }
    }
}

/// An error in resolving a path.
enum PathError {
    Missing,
    NotDirectory,
    TooManyLinks,
    TooDeep,
    TooMany,
    NoMemory,
}

impl From<PathError> for IoError {
    fn from(error: PathError) -> Self {
        match error {
            PathError::Missing => Self::not_found(),
            PathError::NotDirectory => Self::not_directory(),
            PathError::TooManyLinks => Self::too_many_links(),
            PathError::TooDeep => Self::name_too_long(),
            PathError::TooMany => Self::other("Too many files"),
            PathError::NoMemory => Self::no_memory(),
        }
    }
}

impl<'a> Archive<'a> {
    /// Parses concatenated archives.
    ///
    /// # Errors
    /// When an archive is corrupt, a member has an invalid path, or there are too many members.
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, ArchiveError> {
        let mut archive = Self::empty();
        archive.insert_all(bytes, limits, false)?;
        Ok(archive)
    }

    /// A file system without files.
    #[must_use]
    pub fn empty() -> Self {
        Self { nodes: vec![Node { parent: ROOT, kind: Kind::Directory(BTreeMap::new()) }], detours: 0 }
    }

    /// Unpacks further archives over the earlier ones, like Linux: members with an invalid path are skipped.
    ///
    /// # Errors
    /// When an archive is corrupt, the links in its paths take too many steps, or there are too many members.
    pub fn unpack(&mut self, bytes: &'a [u8], limits: &Limits) -> Result<(), ArchiveError> {
        self.insert_all(bytes, limits, true)
    }

    fn insert_all(&mut self, bytes: &'a [u8], limits: &Limits, lenient: bool) -> Result<(), ArchiveError> {
        // Hard links: only one name, usually the last, has the data.
        let mut linked: BTreeMap<[u32; 3], Vec<(usize, bool)>> = BTreeMap::new();
        for member in Members::new(bytes) {
            let member = member.map_err(ArchiveError::Format)?;
            let node = match self.insert(&member, limits) {
                Ok(node) => node,
                Err(PathError::NotDirectory | PathError::Missing | PathError::TooDeep) if lenient => continue,
                Err(PathError::TooMany) => return Err(ArchiveError::TooManyMembers(limits.archive_members)),
                Err(PathError::NoMemory) => return Err(ArchiveError::Memory),
                Err(_) => return Err(ArchiveError::Path(member.offset)),
            };
            if member.is_file() && member.links > 1 {
                linked.entry(member.identity).or_default().push((node, member.data.is_empty()));
            }
        }
        for names in linked.values() {
            let full = names.iter().find(|(_, empty)| !empty);
            let data = full.and_then(|&(node, _)| match self.kind(node) {
                Some(&Kind::File(data)) => Some(data),
                _ => None,
            });
            for &(node, _) in names.iter().filter(|(_, empty)| *empty) {
                if let (Some(data), Some(Node { kind: Kind::File(empty), .. })) =
                    (data, self.nodes.get_mut(node))
                {
                    *empty = data;
                }
            }
        }
        Ok(())
    }

    /// Paths and contents of all regular files, in byte order of paths, without following links.
    pub fn files(&self) -> Vec<(Vec<u8>, &'a [u8])> {
        let mut files = Vec::new();
        let mut pending = vec![(Vec::new(), ROOT)];
        while let Some((path, node)) = pending.pop() {
            match self.kind(node) {
                Some(Kind::Directory(children)) => {
                    pending
                        .extend(children.iter().map(|(name, &child)| ([&*path, b"/", name].concat(), child)));
                }
                Some(&Kind::File(data)) => files.push((path, data)),
                _ => {}
            }
        }
        files.sort_unstable();
        files
    }

    fn kind(&self, node: usize) -> Option<&Kind<'a>> {
        self.nodes.get(node).map(|node| &node.kind)
    }

    fn insert(&mut self, member: &Member<'a>, limits: &Limits) -> Result<usize, PathError> {
        let name = member.name;
        let trimmed = name.iter().rposition(|&b| b != b'/').and_then(|last| name.get(..=last));
        let split = trimmed.and_then(|name| name.iter().rposition(|&b| b == b'/'));
        let (dir, last) = match (trimmed, split) {
            (None, _) => (&b""[..], &b""[..]),
            (Some(name), None) => (&b""[..], name),
            (Some(name), Some(at)) => {
                (name.get(..at).unwrap_or_default(), name.get(at.saturating_add(1)..).unwrap_or_default())
            }
        };
        let follow = trimmed.is_some_and(|trimmed| trimmed.len() < name.len());
        if matches!(last, b"" | b"." | b"..") || (follow && member.is_directory()) {
            return self.walk_or_make(name, limits);
        }

        let parent = self.walk_or_make(dir, limits)?;
        let Some(Kind::Directory(children)) = self.kind(parent) else { return Err(PathError::NotDirectory) };
        let existing = children.get(BStr::new(last)).copied();
        if let (Some(node), true) = (existing, member.is_directory())
            && let Some(Kind::Directory(_)) = self.kind(node)
        {
            return Ok(node);
        }
        let kind = match member {
            _ if member.is_directory() => Kind::Directory(BTreeMap::new()),
            _ if member.is_file() => Kind::File(member.data),
            _ if member.is_link() => Kind::Link(BStr::new(member.data)),
            _ => Kind::Other(member.mode & MODE_TYPE),
        };
        if let Some(node) = existing.and_then(|node| self.nodes.get_mut(node)) {
            // Like Linux, never replace a non-empty directory.
            if matches!(&node.kind, Kind::Directory(children) if !children.is_empty()) {
                return Err(PathError::NotDirectory);
            }
        }
        self.add(parent, last, kind, limits)
    }

    fn add(
        &mut self,
        parent: usize,
        name: &'a [u8],
        kind: Kind<'a>,
        limits: &Limits,
    ) -> Result<usize, PathError> {
        let new = self.nodes.len();
        // The root does not count as a member.
        if new > limits.archive_members {
            return Err(PathError::TooMany);
        }
        self.nodes.try_reserve(1).map_err(|_| PathError::NoMemory)?;
        match self.nodes.get_mut(parent).map(|node| &mut node.kind) {
            Some(Kind::Directory(children)) => children.insert(BStr::new(name), new),
            _ => return Err(PathError::NotDirectory),
        };
        self.nodes.push(Node { parent, kind });
        Ok(new)
    }

    /// The directory at `path`, created with all missing parents.
    fn walk_or_make(&mut self, path: &'a [u8], limits: &Limits) -> Result<usize, PathError> {
        let mut walk = Walk::new(path);
        while let Some(part) = walk.next_part() {
            match walk.step(self, part) {
                Err(PathError::Missing) => {
                    if walk.depth(self) >= limits.depth {
                        return Err(PathError::TooDeep);
                    }
                    walk.at = self.add(walk.at, part, Kind::Directory(BTreeMap::new()), limits)?;
                }
                other => other?,
            }
        }
        // Many members behind long links would take quadratic time.
        self.detours = self.detours.saturating_add(walk.detour);
        if self.detours > limits.steps { Err(PathError::TooManyLinks) } else { Ok(walk.at) }
    }

    /// The node at `path`, with links followed.
    fn find<'p>(&self, path: &'p [u8]) -> Result<usize, PathError>
    where
        'a: 'p,
    {
        let mut walk = Walk::new(path);
        while let Some(part) = walk.next_part() {
            walk.step(self, part)?;
        }
        Ok(walk.at)
    }
}

/// A path in resolution: remaining components, innermost link last.
struct Walk<'p> {
    at: usize,
    rest: Vec<&'p [u8]>,
    links: usize,
    detour: usize,
}

impl<'p> Walk<'p> {
    fn new(path: &'p [u8]) -> Self {
        Self { at: ROOT, rest: vec![path], links: 0, detour: 0 }
    }

    fn next_part(&mut self) -> Option<&'p [u8]> {
        loop {
            let rest = self.rest.last_mut()?;
            let start = rest.iter().position(|&b| b != b'/');
            let Some(from) = start.and_then(|start| rest.get(start..)) else {
                self.rest.pop();
                continue;
            };
            let end = from.iter().position(|&b| b == b'/').unwrap_or(from.len());
            let (part, after) = from.split_at_checked(end)?;
            *rest = after;
            if part != b"." {
                return Some(part);
            }
        }
    }

    fn step<'a: 'p>(&mut self, archive: &Archive<'a>, part: &'p [u8]) -> Result<(), PathError> {
        self.detour = self.detour.saturating_add(usize::from(self.links > 0));
        let node = archive.nodes.get(self.at).ok_or(PathError::Missing)?;
        let Kind::Directory(children) = &node.kind else { return Err(PathError::NotDirectory) };
        if part == b".." {
            self.at = node.parent;
            return Ok(());
        }
        let child = *children.get(BStr::new(part)).ok_or(PathError::Missing)?;
        if let Some(&Kind::Link(target)) = archive.kind(child) {
            self.links = self.links.saturating_add(1);
            if self.links > LINKS_MAX || target.len() > TARGET_MAX {
                return Err(PathError::TooManyLinks);
            }
            if target.first() == Some(&b'/') {
                self.at = ROOT;
            }
            self.rest.push(target);
        } else {
            self.at = child;
        }
        Ok(())
    }

    fn depth(&self, archive: &Archive<'_>) -> usize {
        let up = |&node: &usize| archive.nodes.get(node).map(|node| node.parent);
        core::iter::successors(Some(self.at), up).take_while(|&node| node != ROOT).count()
    }
}

impl<'a> Source for Archive<'a> {
    type File = &'a [u8];

    fn list(&self, dir: &[u8]) -> Result<Vec<DirEntry>, IoError> {
        let Some(Kind::Directory(children)) = self.kind(self.find(dir)?) else {
            return Err(PathError::NotDirectory.into());
        };
        let child = |(name, &node): (&&BStr, &usize)| {
            let kind = match self.kind(node)? {
                Kind::Directory(_) => EntryKind::Directory,
                Kind::File(_) => EntryKind::File,
                Kind::Link(_) | Kind::Other(_) => EntryKind::Unresolved,
            };
            Some(DirEntry { name: (**name).into(), kind })
        };
        Ok(children.iter().filter_map(child).collect())
    }

    fn stat(&self, path: &[u8]) -> Result<Stat, IoError> {
        let node = self.find(path)?;
        let (kind, size) = match self.kind(node).ok_or(PathError::Missing)? {
            Kind::Directory(_) => (FileKind::Directory, 0),
            Kind::File(data) => (FileKind::File, data.len() as u64),
            &Kind::Other(mode) => (FileKind::Other(mode), 0),
            Kind::Link(_) => return Err(PathError::Missing.into()),
        };
        Ok(Stat { kind, id: (0, node as u64), size, root_owned: true })
    }

    fn open(&self, path: &[u8]) -> Result<Self::File, IoError> {
        match self.kind(self.find(path)?) {
            Some(&Kind::File(data)) => Ok(data),
            Some(Kind::Directory(_)) => Err(IoError::is_directory()),
            _ => Err(IoError::other("No such device or address")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpio::{Builder, Header, MODE_DIRECTORY, MODE_FILE, MODE_LINK, TRAILER, padding};
    use crate::source::IoErrorKind;
    use alloc::{string::String, string::ToString};

    /// An archive of `(name, mode, data, inode)`; a non-zero inode makes the file one of two hard links.
    fn archive(entries: &[(&str, u32, &str, u32)]) -> Vec<u8> {
        let mut out = Vec::new();
        let trailer = (core::str::from_utf8(TRAILER).unwrap(), 0, "", 0);
        for &(name, mode, data, ino) in entries.iter().chain([&trailer]) {
            let nlink = 1 + u32::from(ino > 0);
            let (filesize, namesize) = (data.len() as u32, name.len() as u32 + 1);
            Header { ino, mode, nlink, filesize, namesize, ..Header::default() }.write(&mut out);
            out.extend(name.bytes().chain([0]));
            out.resize(out.len() + padding(out.len()), 0);
            out.extend(data.bytes());
            out.resize(out.len() + padding(out.len()), 0);
        }
        out
    }

    fn listing(archive: &Archive<'_>, dir: &str) -> Vec<String> {
        let entries = archive.list(dir.as_bytes()).unwrap();
        entries.into_iter().map(|e| e.name.to_string()).collect()
    }

    #[test]
    fn names_print_as_text() {
        let mut builder = Builder::new();
        builder.file(b"lib/a.ko", b"x");
        assert!(alloc::format!("{builder:?}").contains("lib/a.ko"));
        let bytes = builder.build().unwrap();
        let archive = Archive::parse(&bytes, &Limits::DEFAULT).unwrap();
        assert!(alloc::format!("{archive:?}").contains("\"a.ko\""));
        let error = crate::cpio::BuildError::Name("../x".into());
        assert_eq!(alloc::format!("{error:?}"), "Name(\"../x\")");
        let mut source = crate::source::MemorySource::new();
        source.insert(b"/m/a.ko", *b"xy");
        assert_eq!(alloc::format!("{source:?}"), "{\"/m/a.ko\": 2}");
        let files = crate::output::IndexFiles::new(vec![(crate::output::Output::Dep, b"a.ko:\n".to_vec())]);
        assert_eq!(alloc::format!("{files:?}"), "{\"modules.dep\": \"a.ko:\\n\"}");
    }

    #[test]
    fn links_are_followed() {
        let bytes = archive(&[
            (".", MODE_DIRECTORY, "", 0),
            ("./lib", MODE_LINK, "usr/lib", 0),
            ("./usr/lib/modules/6.1/a.ko", MODE_FILE, "A", 0),
            ("lib/modules/6.1/b.ko", MODE_FILE, "B", 0),
            ("usr/lib/modules/6.1/up.ko", MODE_LINK, "../../../lib//modules/6.1/./b.ko", 0),
            ("abs.ko", MODE_LINK, "/lib/modules/6.1/a.ko", 0),
            ("loop", MODE_LINK, "loop/x", 0),
            ("gone", MODE_LINK, "nowhere", 0),
            ("pipe", 0o010_644, "", 0),
        ]);
        let archive = Archive::parse(&bytes, &Limits::DEFAULT).unwrap();
        assert_eq!(listing(&archive, "/"), ["abs.ko", "gone", "lib", "loop", "pipe", "usr"]);
        assert_eq!(listing(&archive, "/lib/modules/6.1/"), ["a.ko", "b.ko", "up.ko"]);
        assert_eq!(archive.open(b"/lib/modules/6.1/up.ko").unwrap(), b"B");
        assert_eq!(archive.open(b"abs.ko").unwrap(), b"A");
        assert_eq!(archive.stat(b"lib"), archive.stat(b"/usr/lib"));
        assert_eq!(archive.stat(b"pipe").unwrap().kind, FileKind::Other(0o010_000));
        let text = |path: &[u8]| archive.stat(path).unwrap_err().to_string();
        assert_eq!(text(b"loop"), "Too many levels of symbolic links");
        assert_eq!(text(b"gone"), "No such file or directory");
        assert_eq!(text(b"abs.ko/x"), "Not a directory");
        assert_eq!(archive.open(b"/usr").unwrap_err().kind(), IoErrorKind::IsDirectory);
        let files: Vec<_> = archive.files().into_iter().map(|(path, data)| (path, data.to_vec())).collect();
        assert_eq!(
            files,
            [
                (b"/usr/lib/modules/6.1/a.ko".to_vec(), b"A".to_vec()),
                (b"/usr/lib/modules/6.1/b.ko".to_vec(), b"B".to_vec()),
            ]
        );
    }

    #[test]
    fn later_members_replace_earlier_members() {
        let mut bytes = archive(&[("a", MODE_FILE, "1", 0), ("lib", MODE_LINK, "usr", 0)]);
        let mut builder = Builder::new();
        builder.file(b"a", b"2");
        builder.file(b"lib/x", b"3");
        builder.append_to(&mut bytes).unwrap();
        let archive = Archive::parse(&bytes, &Limits::DEFAULT).unwrap();
        assert_eq!(archive.open(b"a").unwrap(), b"2");
        assert_eq!(archive.open(b"/usr/x").unwrap(), b"3", "the link stays");
    }

    #[test]
    fn hard_links_share_data() {
        let bytes = archive(&[("a", MODE_FILE, "", 5), ("b", MODE_FILE, "data", 5), ("c", MODE_FILE, "", 0)]);
        let archive = Archive::parse(&bytes, &Limits::DEFAULT).unwrap();
        assert_eq!(archive.open(b"a").unwrap(), b"data");
        assert_eq!(archive.open(b"c").unwrap(), b"");
    }

    #[test]
    fn members_with_invalid_paths_are_errors() {
        let error = |entries: &[(&str, u32, &str, u32)]| {
            Archive::parse(&archive(entries), &Limits { depth: 8, ..Limits::DEFAULT }).unwrap_err()
        };
        let second = ArchiveError::Path(120);
        assert_eq!(error(&[("a", MODE_FILE, "12345678", 0), ("a/b", MODE_FILE, "", 0)]), second);
        assert_eq!(error(&[("l", MODE_LINK, "l/l/l/l/", 0), ("l/b", MODE_FILE, "", 0)]), second);
        assert_eq!(error(&[("1/2/3/4/5/6/7/8/9/10", MODE_FILE, "", 0)]), ArchiveError::Path(0));
        assert!(matches!(Archive::parse(b"x", &Limits::DEFAULT), Err(ArchiveError::Format(_))));
    }

    #[test]
    fn too_many_members_are_an_error() {
        let bytes = archive(&[("d/a", MODE_FILE, "", 0), ("d/b", MODE_FILE, "", 0)]);
        let parse = |archive_members| Archive::parse(&bytes, &Limits { archive_members, ..Limits::DEFAULT });
        assert_eq!(parse(3).map(|archive| archive.files().len()), Ok(2));
        assert_eq!(parse(2).map(drop), Err(ArchiveError::TooManyMembers(2)));
    }
}
