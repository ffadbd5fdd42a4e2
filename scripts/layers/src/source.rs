//! Reads the modules and files of a crate, without code that is compiled only for tests.

use std::fmt;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Item, ItemMod};

use crate::attributes::{self, is_test_only};
use crate::error::{LoadError, Result};

/// A file, by its index in [`Source::files`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId(usize);

/// A module, by its index in [`Source::modules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ModuleId(usize);

impl ModuleId {
    /// The crate root is always the first module.
    pub(crate) const ROOT: Self = Self(0);
}

pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// The number of lines above the unit tests at the end, not counting comments.
    pub(crate) length: usize,
}

pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) parent: Option<ModuleId>,
    pub(crate) children: Vec<ModuleId>,
    pub(crate) file: FileId,
    /// The items, without the content of inline child modules, which are separate modules.
    pub(crate) items: Vec<Item>,
}

/// A `mod` item of the crate root, including test-only ones.
pub(crate) struct Declaration {
    /// `None` for a test-only module.
    pub(crate) module: Option<ModuleId>,
    /// The lines from the first attribute or doc comment to the end.
    pub(crate) lines: RangeInclusive<usize>,
}

/// A crate as the check reads it. Every `cfg` counts as enabled except `test`.
pub(crate) struct Source {
    pub(crate) files: Vec<File>,
    pub(crate) modules: Vec<Module>,
    pub(crate) declarations: Vec<Declaration>,
}

impl Source {
    /// Reads the crate whose package directory is `package`.
    pub(crate) fn load(package: &Path) -> Result<Self> {
        let mut root = package.join("src/lib.rs");
        if !root.exists() {
            root = package.join("src/main.rs");
        }
        let mut source = Self { files: Vec::new(), modules: Vec::new(), declarations: Vec::new() };
        let parsed = source.parse(root)?;
        source.add_module(String::new(), None, parsed)?;
        Ok(source)
    }

    #[expect(clippy::indexing_slicing, reason = "only this source makes ids, and it never removes a file")]
    pub(crate) fn file(&self, FileId(id): FileId) -> &File {
        &self.files[id]
    }

    #[expect(clippy::indexing_slicing, reason = "only this source makes ids, and it never removes a module")]
    pub(crate) fn module(&self, ModuleId(id): ModuleId) -> &Module {
        &self.modules[id]
    }

    pub(crate) fn module_ids(&self) -> impl Iterator<Item = ModuleId> + use<> {
        (0..self.modules.len()).map(ModuleId)
    }

    pub(crate) fn file_of(&self, module: ModuleId) -> &File {
        self.file(self.module(module).file)
    }

    /// Returns the modules from this one up to the crate root.
    pub(crate) fn ancestors(&self, module: ModuleId) -> impl Iterator<Item = ModuleId> {
        std::iter::successors(Some(module), |module| self.module(*module).parent)
    }

    /// Returns whether `module` is `ancestor` or below it.
    pub(crate) fn is_within(&self, module: ModuleId, ancestor: ModuleId) -> bool {
        self.ancestors(module).any(|module| module == ancestor)
    }

    /// Returns the top-level module that contains this one. For the crate root, that is the root
    /// itself.
    pub(crate) fn top_level(&self, module: ModuleId) -> ModuleId {
        self.ancestors(module)
            .find(|module| self.module(*module).parent.is_none_or(|parent| parent == ModuleId::ROOT))
            .unwrap_or(ModuleId::ROOT)
    }

    /// Returns the path of a module as in the rules: `connect::lane`, and `crate` for the root.
    pub(crate) fn path_of(&self, module: ModuleId) -> String {
        let mut names: Vec<_> =
            self.ancestors(module).map(|module| self.module(module).name.as_str()).collect();
        names.pop(); // the root has no name
        names.reverse();
        if names.is_empty() { "crate".to_owned() } else { names.join("::") }
    }

    fn parse(&mut self, path: PathBuf) -> Result<Parsed> {
        let text =
            fs::read_to_string(&path).map_err(|source| LoadError::Read { path: path.clone(), source })?;
        let syntax = syn::parse_file(&text).map_err(|error| LoadError::Syntax {
            path: path.clone(),
            line: error.span().start().line,
            message: error.to_string(),
        })?;
        let length = length_without_tests(&text, &syntax.items);
        let directory = child_directory(&path);
        let test_only = is_test_only(&syntax.attrs);
        self.files.push(File { path, text, length });
        let file = FileId(self.files.len() - 1);
        Ok(Parsed { file, directory, inline: false, test_only, items: syntax.items })
    }

    fn add_module(&mut self, name: String, parent: Option<ModuleId>, mut parsed: Parsed) -> Result<ModuleId> {
        let file = parsed.file;
        self.modules.push(Module { name, parent, children: Vec::new(), file, items: Vec::new() });
        let id = ModuleId(self.modules.len() - 1);
        let mut children = Vec::new();
        for item in &mut parsed.items {
            let Item::Mod(declared) = item else { continue };
            let lines = lines_of(declared);
            let child = self.add_child(id, declared, &parsed.directory, parsed.inline)?;
            children.extend(child);
            if parent.is_none() {
                self.declarations.push(Declaration { module: child, lines });
            }
        }
        if let Some(module) = self.modules.get_mut(id.0) {
            module.children = children;
            module.items = parsed.items;
        }
        Ok(id)
    }

    /// Adds a child module. Returns `None` if it is compiled only for tests.
    fn add_child(
        &mut self,
        parent: ModuleId,
        declared: &mut ItemMod,
        directory: &Path,
        inline: bool,
    ) -> Result<Option<ModuleId>> {
        if is_test_only(&declared.attrs) {
            return Ok(None);
        }
        let name = declared.ident.unraw().to_string();
        let file = self.module(parent).file;
        let parsed = match &mut declared.content {
            Some((_, items)) => Parsed {
                file,
                directory: directory.join(&name),
                inline: true,
                test_only: false,
                items: std::mem::take(items),
            },
            None => {
                let declaring = &self.file(file).path;
                if let Some(path) = attributes::path(&declared.attrs) {
                    let base = if inline { directory } else { parent_of(declaring) };
                    let path = base.join(path);
                    let directory = parent_of(&path).to_owned(); // Rust treats such a file like a `mod.rs`
                    Parsed { directory, ..self.parse(path)? }
                } else {
                    let path = [format!("{name}.rs"), format!("{name}/mod.rs")]
                        .into_iter()
                        .map(|candidate| directory.join(candidate))
                        .find(|path| path.exists())
                        .ok_or_else(|| LoadError::NoFile {
                            path: declaring.clone(),
                            line: line_of(declared.ident.span()),
                            module: name.clone(),
                        })?;
                    self.parse(path)?
                }
            }
        };
        if parsed.test_only {
            return Ok(None);
        }
        self.add_module(name, Some(parent), parsed).map(Some)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("files", &self.files.len())
            .field("modules", &self.modules.len())
            .finish_non_exhaustive()
    }
}

/// The content of a module, from a file or inline.
struct Parsed {
    file: FileId,
    /// The directory with the files of its child modules.
    directory: PathBuf,
    inline: bool,
    test_only: bool,
    items: Vec<Item>,
}

pub(crate) fn line_of(span: Span) -> usize {
    span.start().line
}

/// Returns the directory with the files of the child modules of a file.
fn child_directory(path: &Path) -> PathBuf {
    let is_root =
        path.file_name().is_some_and(|name| name == "mod.rs" || name == "lib.rs" || name == "main.rs");
    if is_root { parent_of(path).to_owned() } else { path.with_extension("") }
}

fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Returns the lines of an item, including its doc comments and attributes.
fn lines_of(declared: &ItemMod) -> RangeInclusive<usize> {
    let span = declared.span();
    span.start().line..=span.end().line
}

fn length_without_tests(text: &str, items: &[Item]) -> usize {
    let end = match items.last() {
        Some(Item::Mod(tests)) if tests.content.is_some() && is_test_only(&tests.attrs) => {
            lines_of(tests).start() - 1
        }
        _ => usize::MAX,
    };
    // Comments do not count: documentation is no reason to split a file.
    text.lines().take(end).filter(|line| !line.trim_start().starts_with("//")).count()
}
