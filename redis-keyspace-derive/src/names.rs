//! Names made from names.

/// `user_by_id` becomes `UserById`.
pub(crate) fn pascal_case(name: &str) -> String {
    let mut pascal = String::with_capacity(name.len());
    for word in name.split('_') {
        let mut chars = word.chars();
        pascal.extend(chars.next().into_iter().flat_map(char::to_uppercase));
        pascal.push_str(chars.as_str());
    }
    match pascal.chars().next() {
        // The one keyword in PascalCase.
        Some(_) if pascal == "Self" => "Self_".to_owned(),
        Some(first) if first.is_alphabetic() => pascal,
        // `_1` would become a number.
        Some(_) => format!("_{pascal}"),
        // `__` would become nothing.
        None => name.to_owned(),
    }
}

/// `UserById` becomes `user_by_id`, `HTTPServer` becomes `http_server`.
pub(crate) fn snake_case(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 4);
    for (index, &c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| chars.get(index));
        let starts_word = c.is_uppercase()
            && before.is_some_and(|&before| {
                let ends_acronym =
                    before.is_uppercase() && chars.get(index + 1).is_some_and(|c| c.is_lowercase());
                before != '_' && (!before.is_uppercase() || ends_acronym)
            });
        if starts_word {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pascal() {
        for (name, expected) in [
            ("user", "User"),
            ("user_by_id", "UserById"),
            ("_user", "User"),
            ("a__b", "AB"),
            ("self_", "Self_"),
            ("_1", "_1"),
            ("__1_a", "_1A"),
            ("__", "__"),
            ("___", "___"),
            ("größe_ä", "GrößeÄ"),
        ] {
            assert_eq!(pascal_case(name), expected);
        }
    }

    #[test]
    fn snake() {
        for (name, expected) in [
            ("Cart", "cart"),
            ("UserById", "user_by_id"),
            ("HTTPServer", "http_server"),
            ("V2Api", "v2_api"),
            ("already_snake", "already_snake"),
            ("Mixed_Case", "mixed_case"),
            ("A", "a"),
        ] {
            assert_eq!(snake_case(name), expected);
        }
    }
}
