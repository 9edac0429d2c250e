//! Plants mutants in a source file, each behind a question that its process answers by a variable of its environment.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::list::{Genre, Mutant};
use crate::sites::{Fixed, Site, Sites, key};

/// Mutants at one place, by their numbers: of the list, and of the run.
type Group = Vec<(usize, String)>;

/// What was made of a file.
pub(crate) struct Planted {
    pub(crate) text: String,
    /// Mutants that cannot be planted, by their place in the list.
    pub(crate) fixed: Vec<(usize, Fixed)>,
}

/// Plants those mutants of one file, each with its number.
///
/// # Errors
/// With the name of a mutant for which the file has no place.
pub(crate) fn plant(source: &str, sites: &Sites, mutants: &[(usize, &Mutant)]) -> Result<Planted, String> {
    let (mut places, mut fixed): (BTreeMap<Place, Spot>, _) = (BTreeMap::new(), Vec::new());
    for (number, mutant) in mutants {
        let site = sites.get(&key(mutant.genre, mutant.start)).ok_or_else(|| mutant.name.clone())?;
        let (whole, place) = match site {
            Site::Fixed(why) => {
                fixed.push((*number, *why));
                continue;
            }
            Site::Body { at } => (*at..*at, Kind::Body),
            Site::Arm { pattern_end, guard: None } => (*pattern_end..*pattern_end, Kind::Arm),
            Site::Guard { guard } | Site::Arm { guard: Some(guard), .. } => (guard.clone(), Kind::Guard),
            Site::Binary { whole, .. } => (whole.clone(), Kind::Binary),
            Site::Unary { whole, .. } => (whole.clone(), Kind::Unary),
            Site::Field { whole, .. } => (whole.clone(), Kind::Field),
        };
        let spot = places.entry(Place(whole.start, Reverse(whole.end), place)).or_insert_with(|| Spot::new(site.clone()));
        match mutant.genre {
            Genre::Arm => spot.arm = Some(*number),
            _ => {
                spot.site = site.clone();
                spot.group.push((*number, mutant.replacement.clone()));
            }
        }
    }
    let painter = Painter { source, spots: places.into_iter().collect() };
    let (text, _) = painter.paint(0..source.len(), 0);
    Ok(Planted { text, fixed })
}

/// Outer ones before inner ones; where two are the same, as this order has it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Place(usize, Reverse<usize>, Kind);

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Kind {
    Field,
    Guard,
    Binary,
    Unary,
    Arm,
    Body,
}

struct Spot {
    site: Site,
    group: Group,
    arm: Option<usize>,
}

impl Spot {
    fn new(site: Site) -> Self {
        Self { site, group: Group::new(), arm: None }
    }
}

struct Painter<'a> {
    source: &'a str,
    spots: Vec<(Place, Spot)>,
}

impl Painter<'_> {
    /// The text of a range with everything planted from spot `next` on; and the first spot after it.
    fn paint(&self, range: Range<usize>, mut next: usize) -> (String, usize) {
        let (mut text, mut at) = (String::new(), range.start);
        while let Some((Place(start, Reverse(end), _), spot)) = self.spots.get(next).filter(|(place, _)| place.0 < range.end) {
            text += &self.source[at..*start];
            let (inner, after) = self.paint(*start..*end, next + 1);
            text += &self.spot(spot, &inner);
            (at, next) = (*end, after);
        }
        (text + &self.source[at..range.end], next)
    }

    fn spot(&self, spot: &Spot, inner: &str) -> String {
        let Spot { site, group, arm } = spot;
        let old = |range: &Range<usize>| &self.source[range.clone()];
        let of = |make: &dyn Fn(&str) -> String| -> Group { group.iter().map(|(number, new)| (*number, make(new))).collect() };
        match site {
            Site::Fixed(_) => inner.to_owned(),
            Site::Body { .. } => {
                let answers: String = group.iter().map(|(number, answer)| chosen(*number, &format!("return {answer};"))).collect();
                format!(" {}", marked(group, &format!("if {} {{ {answers} }}", any(group))))
            }
            Site::Binary { left, right, .. } => choice(&of(&|operator| format!("({}) {operator} ({})", old(left), old(right))), inner),
            Site::Unary { operand, .. } => choice(&of(&|_| old(operand).to_owned()), inner),
            Site::Guard { .. } | Site::Arm { guard: Some(_), .. } => {
                let guard = if group.is_empty() { format!("({inner})") } else { choice(&of(&str::to_owned), inner) };
                arm.map_or_else(|| guard.clone(), |number| format!("{} && {guard}", spared(number)))
            }
            Site::Arm { guard: None, .. } => arm.map_or_else(String::new, |number| format!(" if {}", spared(number))),
            Site::Field { name, value, base, whole } => {
                let value = if whole == value { inner } else { &inner[value.start - whole.start..] };
                format!("{name}: {}", choice(&of(&|_| format!("({}).{name}", old(base))), value))
            }
        }
    }
}

/// What there was, unless one of the others is chosen: their types follow its type.
fn choice(group: &Group, inner: &str) -> String {
    let others: String = group.iter().map(|(number, other)| format!(" else {}", chosen(*number, other))).collect();
    let others = others.strip_prefix(" else ").unwrap_or_default();
    marked(group, &format!("(if !{} {{ {inner} }} else {{ {others} else {{ unreachable!() }} }})", any(group)))
}

/// Whether one of a group is chosen. What was left out of it may have left gaps.
fn any(group: &Group) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (number, _) in group {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let runs: Vec<String> = runs.iter().map(|(first, last)| format!("crate::mutant::within({first}, {last})")).collect();
    format!("({})", runs.join(" || "))
}

fn spared(number: usize) -> String {
    format!("/*<{number}*/!crate::mutant::within({number}, {number})/*{number}>*/")
}

fn chosen(number: usize, then: &str) -> String {
    format!("if crate::mutant::is({number}) {{ /*<{number}*/{then}/*{number}>*/ }}")
}

/// Marks everything that was written for a group by all of its numbers.
fn marked(group: &Group, text: &str) -> String {
    let numbers: Vec<String> = group.iter().map(|(number, _)| number.to_string()).collect();
    let numbers = numbers.join(",");
    format!("/*[{numbers}*/{text}/*{numbers}]*/")
}

/// What the planted code asks.
pub(crate) fn switch(count: usize) -> String {
    format!(
        r#"
mod mutant {{
    use std::io::Write as _;
    use std::sync::atomic::{{AtomicBool, Ordering}};
    use std::sync::{{LazyLock, Mutex}};

    static CHOSEN: LazyLock<usize> = LazyLock::new(|| std::env::var("MUTANT").ok().and_then(|number| number.parse().ok()).unwrap_or(0));
    static RECORD: LazyLock<Option<Mutex<std::fs::File>>> =
        LazyLock::new(|| std::fs::File::create(std::env::var_os("MUTANT_RECORD")?).ok().map(Mutex::new));
    static REACHED: [AtomicBool; {size}] = [const {{ AtomicBool::new(false) }}; {size}];

    pub(crate) fn within(first: usize, last: usize) -> bool {{
        let chosen = *CHOSEN;
        if chosen == 0 {{
            record(first, last);
        }}
        first <= chosen && chosen <= last
    }}

    pub(crate) fn is(number: usize) -> bool {{
        *CHOSEN == number
    }}

    fn record(first: usize, last: usize) {{
        if let Some(file) = &*RECORD
            && !REACHED[first].swap(true, Ordering::Relaxed)
            && let Ok(mut file) = file.lock()
        {{
            let _ = writeln!(file, "{{first}} {{last}}");
        }}
    }}
}}
"#,
        size = count + 1
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::sites;

    fn planted(source: &str, at: &str, genre: Genre, replacement: &str) -> Planted {
        let (line, column) = (1, source.find(at).unwrap() + 1);
        let mutant = Mutant { name: "it".into(), file: "lib.rs".into(), genre, start: (line, column), replacement: replacement.into() };
        plant(source, &sites::find(source).unwrap(), &[(1, &mutant)]).unwrap()
    }

    fn without_comments(text: &str) -> String {
        let mut parts = text.split("/*");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + part.split_once("*/").unwrap().1)
    }

    #[rstest]
    #[case::body("fn f() -> u8 { 1 }", "1", Genre::Body, "0", "fn f() -> u8 { if (W) { if I { return 0; } } 1 }")]
    #[case::binary(
        "fn f() -> bool { a == b }",
        "==",
        Genre::Binary,
        "!=",
        "fn f() -> bool { (if !(W) { a == b } else { if I { (a) != (b) } else { unreachable!() } }) }"
    )]
    #[case::unary(
        "fn f() -> bool { !a }",
        "!",
        Genre::Unary,
        "",
        "fn f() -> bool { (if !(W) { !a } else { if I { a } else { unreachable!() } }) }"
    )]
    #[case::guard(
        "fn f() { match a { b if c => d, _ => e } }",
        "c =>",
        Genre::Guard,
        "true",
        "fn f() { match a { b if (if !(W) { c } else { if I { true } else { unreachable!() } }) => d, _ => e } }"
    )]
    #[case::arm("fn f() { match a { b => d, _ => e } }", "b =>", Genre::Arm, "", "fn f() { match a { b if !W => d, _ => e } }")]
    #[case::arm_with_a_guard(
        "fn f() { match a { b if c => d, _ => e } }",
        "b if",
        Genre::Arm,
        "",
        "fn f() { match a { b if !W && (c) => d, _ => e } }"
    )]
    #[case::field(
        "fn f() { A { b: 1, ..c() } }",
        "b: 1",
        Genre::Field,
        "",
        "fn f() { A { b: (if !(W) { 1 } else { if I { (c()).b } else { unreachable!() } }), ..c() } }"
    )]
    #[case::short_field(
        "fn f() { A { b, ..c } }",
        "b, ",
        Genre::Field,
        "",
        "fn f() { A { b: (if !(W) { b } else { if I { (c).b } else { unreachable!() } }), ..c } }"
    )]
    fn a_mutant_stands_beside_what_it_replaces(
        #[case] source: &str,
        #[case] at: &str,
        #[case] genre: Genre,
        #[case] new: &str,
        #[case] expected: &str,
    ) {
        let expected = expected.replace('W', "crate::mutant::within(1, 1)").replace('I', "crate::mutant::is(1)");
        assert_eq!(without_comments(&planted(source, at, genre, new).text), expected);
    }

    #[rstest]
    #[case::of_a_constant_function("const fn f() -> u8 { 1 }", "1", Genre::Body, Fixed::Const)]
    #[case::of_a_constant("const A: bool = b == c;", "==", Genre::Binary, Fixed::Const)]
    #[case::of_an_unnamed_type("fn f() -> impl Fn() { g }", "g ", Genre::Body, Fixed::Opaque)]
    #[case::beside_a_let("fn f() { if a && let Some(b) = c {} }", "&&", Genre::Binary, Fixed::BesideLet)]
    fn what_cannot_be_decided_at_run_time_is_left(#[case] source: &str, #[case] at: &str, #[case] genre: Genre, #[case] why: Fixed) {
        let planted = planted(source, at, genre, "0");
        assert_eq!((planted.text.as_str(), planted.fixed), (source, vec![(1, why)]));
    }

    #[test]
    fn what_is_replaced_keeps_its_own_mutants() {
        let source = "fn f() -> bool { a && b == c }";
        let sites = sites::find(source).unwrap();
        let mutant = |at: &str, new: &str| Mutant {
            name: "it".into(),
            file: "lib.rs".into(),
            genre: Genre::Binary,
            start: (1, source.find(at).unwrap() + 1),
            replacement: new.into(),
        };
        let (outer, inner) = (mutant("&&", "||"), mutant("==", "!="));
        let text = without_comments(&plant(source, &sites, &[(1, &outer), (2, &inner)]).unwrap().text);
        assert!(text.contains("{ a && (if !(crate::mutant::within(2, 2)) { b == c }"), "{text}");
        assert!(text.contains("{ (a) || (b == c) }"), "{text}");
    }
}
