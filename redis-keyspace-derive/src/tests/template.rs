//! The grammar of templates.

use proptest::prelude::*;

use crate::template::{Hole, Mistake, Piece, Template, caret};

fn literal(text: &str) -> Piece {
    Piece::Literal(text.to_owned())
}

fn hole(name: &str, at: std::ops::Range<usize>) -> Piece {
    Piece::Hole(Hole { name: name.to_owned(), at })
}

fn problems(text: &str) -> Vec<Mistake> {
    Template::parse(text).problems.into_iter().map(|problem| problem.what).collect()
}

#[test]
fn pieces() {
    for (text, pieces) in [
        ("featured", vec![literal("featured")]),
        ("{id}", vec![hole("id", 0..4)]),
        ("user:{id}:views", vec![literal("user:"), hole("id", 5..9), literal(":views")]),
        ("{{user:{id}}}", vec![literal("{user:"), hole("id", 7..11), literal("}")]),
        ("{{{{}}}}", vec![literal("{{}}")]),
        ("größe:{ä}", vec![literal("größe:"), hole("ä", 8..12)]),
    ] {
        assert_eq!(Template::parse(text), Template { pieces, problems: Vec::new() }, "{text}");
    }
}

#[test]
fn every_error_is_found() {
    let name = || "id".to_owned();
    for (text, expected) in [
        ("", vec![Mistake::Empty]),
        ("{id", vec![Mistake::Unclosed]),
        ("{id{x}", vec![Mistake::Unclosed]),
        ("id}", vec![Mistake::Unopened]),
        ("{}", vec![Mistake::EmptyHole]),
        ("{ }", vec![Mistake::EmptyHole]),
        ("{0}", vec![Mistake::NumberedHole]),
        ("{id:u64}", vec![Mistake::TypedHole(name(), "u64".to_owned())]),
        ("{r#id}", vec![Mistake::RawHole(name())]),
        ("{user id}", vec![Mistake::NoName("user id".to_owned())]),
        ("{a}{b}", vec![Mistake::Adjacent("a".to_owned(), "b".to_owned())]),
        ("{id}:{id}", vec![Mistake::Duplicate(name())]),
        ("a*", vec![Mistake::Glob('*')]),
        ("a?[b]\\", vec![Mistake::Glob('?'), Mistake::Glob('['), Mistake::Glob(']'), Mistake::Glob('\\')]),
        ("a\n", vec![Mistake::Control('\n')]),
        ("5%", vec![Mistake::Percent]),
        (":", vec![Mistake::Empty]),
        (":a", vec![Mistake::LeadingColon]),
        ("a::b", vec![Mistake::DoubleColon]),
        ("a:::b", vec![Mistake::DoubleColon]),
        ("*{}%", vec![Mistake::Glob('*'), Mistake::EmptyHole, Mistake::Percent]),
    ] {
        assert_eq!(problems(text), expected, "{text}");
    }
}

#[test]
fn marks_are_below_their_range() {
    assert_eq!(caret("user:{ids}", &(5..10)), "  user:{ids}\n       ^^^^^ column 6");
    assert_eq!(caret("größe:{ids}", &(8..13)), "  größe:{ids}\n        ^^^^^ column 7");
    assert_eq!(caret("\t:{x}", &(2..5)), "  \\t:{x}\n     ^^^ column 3");
    assert_eq!(caret("", &(0..0)), "  \n  ^ column 1");
}

proptest! {
    #[test]
    fn any_text_is_parsed(text in "\\PC*|[a{}:*%\\\\\n\u{e4}]{0,24}") {
        let template = Template::parse(&text);
        for problem in &template.problems {
            prop_assert!(text.get(problem.at.clone()).is_some(), "{problem:?} cuts a character");
            prop_assert!(!problem.what.to_string().is_empty());
            let _ = caret(&text, &problem.at);
        }
    }

    #[test]
    fn valid_templates_print_as_written(text in "[a-z{}:\u{e4}]{1,24}") {
        let template = Template::parse(&text);
        if template.problems.is_empty() {
            prop_assert_eq!(template.to_string(), text);
        }
    }

    #[test]
    fn printed_templates_parse_to_the_same_pieces(parts in proptest::collection::vec(("[a-z{}]{1,6}", "[a-z_]{1,6}"), 1..6)) {
        let mut expected = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for (text, name) in parts {
            if names.contains(&name) {
                continue;
            }
            expected.push(Piece::Literal(text));
            expected.push(hole(&name, 0..0));
            names.push(name);
        }
        let template = Template { pieces: expected.clone(), problems: Vec::new() };
        let mut read = Template::parse(&template.to_string());
        prop_assert_eq!(&read.problems, &[]);
        for piece in &mut read.pieces {
            if let Piece::Hole(hole) = piece {
                hole.at = 0..0;
            }
        }
        prop_assert_eq!(read.pieces, expected);
    }
}
