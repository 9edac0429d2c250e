//! Where in a source file mutants can be planted, found by its syntax.

use std::collections::BTreeMap;
use std::ops::Range;

use proc_macro2::LineColumn;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{
    Arm, BinOp, Block, Expr, ExprBinary, ExprStruct, ExprUnary, ImplItemFn, ItemConst, ItemFn, ItemStatic, ReturnType, Signature, Type,
};

use crate::list::Genre;

/// A place at which a mutant begins, and what stands there. All ranges are of bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Site {
    /// Right after the brace that opens a function.
    Body {
        at: usize,
    },
    Binary {
        whole: Range<usize>,
        left: Range<usize>,
        right: Range<usize>,
    },
    Unary {
        whole: Range<usize>,
        operand: Range<usize>,
    },
    Guard {
        guard: Range<usize>,
    },
    /// Right after the pattern of an arm without a guard, or at the guard.
    Arm {
        pattern_end: usize,
        guard: Option<Range<usize>>,
    },
    Field {
        whole: Range<usize>,
        name: String,
        value: Range<usize>,
        base: Range<usize>,
    },
    /// What is decided at run time cannot stand here.
    Fixed(Fixed),
}

/// Why nothing can be planted at a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fixed {
    /// It is computed by the compiler.
    Const,
    /// The function answers one type that only its body names: two answers cannot be chosen between.
    Opaque,
    /// No other operator but && may stand beside a `let`.
    BesideLet,
}

/// The sites of a file, by genre and place: line and column, both from 1 on.
pub(crate) type Sites = BTreeMap<(u8, (usize, usize)), Site>;

/// Finds them.
pub(crate) fn find(source: &str) -> syn::Result<Sites> {
    let file = syn::parse_file(source)?;
    let mut finder = Finder { lines: line_starts(source), source, sites: Sites::new(), is_const: false };
    finder.visit_file(&file);
    Ok(finder.sites)
}

/// The key of a site.
pub(crate) fn key(genre: Genre, start: (usize, usize)) -> (u8, (usize, usize)) {
    (genre as u8, start)
}

struct Finder<'a> {
    source: &'a str,
    lines: Vec<usize>,
    sites: Sites,
    is_const: bool,
}

fn line_starts(source: &str) -> Vec<usize> {
    std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

impl Finder<'_> {
    /// Columns count characters.
    fn offset(&self, place: LineColumn) -> usize {
        let start = self.lines.get(place.line - 1).copied().unwrap_or(self.source.len());
        let line = self.source.get(start..).unwrap_or_default();
        start + line.char_indices().nth(place.column).map_or(line.len(), |(at, _)| at)
    }

    fn range(&self, of: &impl syn::spanned::Spanned) -> Range<usize> {
        let span = of.span();
        self.offset(span.start())..self.offset(span.end())
    }

    fn add(&mut self, genre: Genre, start: LineColumn, site: Site) {
        let site = if self.is_const { Site::Fixed(Fixed::Const) } else { site };
        self.sites.insert(key(genre, (start.line, start.column + 1)), site);
    }

    fn function(&mut self, signature: &Signature, block: &Block, then: impl FnOnce(&mut Self)) {
        let before = self.is_const;
        self.is_const |= signature.constness.is_some();
        if let Some(first) = block.stmts.first() {
            let site = if is_opaque(&signature.output) {
                Site::Fixed(Fixed::Opaque)
            } else {
                Site::Body { at: self.offset(block.brace_token.span.open().end()) }
            };
            self.add(Genre::Body, first.span().start(), site);
        }
        then(self);
        self.is_const = before;
    }

    fn constant(&mut self, then: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.is_const, true);
        then(self);
        self.is_const = before;
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.sig, &function.block, |finder| visit::visit_item_fn(finder, function));
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(&function.sig, &function.block, |finder| visit::visit_impl_item_fn(finder, function));
    }

    fn visit_item_const(&mut self, item: &'ast ItemConst) {
        self.constant(|finder| visit::visit_item_const(finder, item));
    }

    fn visit_item_static(&mut self, item: &'ast ItemStatic) {
        self.constant(|finder| visit::visit_item_static(finder, item));
    }

    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        let site = if matches!(binary.op, BinOp::And(_)) && (has_let(&binary.left) || has_let(&binary.right)) {
            Site::Fixed(Fixed::BesideLet)
        } else {
            Site::Binary { whole: self.range(binary), left: self.range(&binary.left), right: self.range(&binary.right) }
        };
        self.add(Genre::Binary, binary.op.span().start(), site);
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast ExprUnary) {
        let site = Site::Unary { whole: self.range(unary), operand: self.range(&unary.expr) };
        self.add(Genre::Unary, unary.op.span().start(), site);
        visit::visit_expr_unary(self, unary);
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        let guard = arm.guard.as_ref().map(|(_, guard)| guard);
        let fixed = guard.is_some_and(|guard| has_let(guard)).then_some(Site::Fixed(Fixed::BesideLet));
        let range = guard.map(|guard| self.range(guard));
        if let (Some(guard), Some(range)) = (guard, &range) {
            self.add(Genre::Guard, guard.span().start(), fixed.clone().unwrap_or_else(|| Site::Guard { guard: range.clone() }));
        }
        let pattern_end = self.range(&arm.pat).end;
        self.add(Genre::Arm, arm.span().start(), fixed.unwrap_or(Site::Arm { pattern_end, guard: range }));
        visit::visit_arm(self, arm);
    }

    fn visit_expr_struct(&mut self, one: &'ast ExprStruct) {
        if let Some(base) = &one.rest {
            for field in &one.fields {
                let name = self.source[self.range(&field.member)].to_owned();
                let site = Site::Field { whole: self.range(field), name, value: self.range(&field.expr), base: self.range(base) };
                self.add(Genre::Field, field.span().start(), site);
            }
        }
        visit::visit_expr_struct(self, one);
    }
}

/// Whether an expression is part of a chain with a `let`.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) if matches!(binary.op, BinOp::And(_)) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

fn is_opaque(output: &ReturnType) -> bool {
    struct Impl(bool);
    impl<'ast> Visit<'ast> for Impl {
        fn visit_type(&mut self, one: &'ast Type) {
            self.0 |= matches!(one, Type::ImplTrait(_));
            visit::visit_type(self, one);
        }
    }
    let mut found = Impl(false);
    found.visit_return_type(output);
    found.0
}
