//! Tests which errors are reported together, and that no error is reported twice. The texts are in
//! the ui tests.

use proc_macro2::TokenStream;
use quote::quote;

use super::messages;
use crate::expand::{key_argument, keyspace, record, script, single_value};

fn count(tokens: TokenStream) -> usize {
    messages(keyspace(tokens)).len()
}

#[test]
fn valid_declarations_have_no_errors() {
    let tokens = quote! {
        #[keyspace(prefix = "cart", ttl = 3_600)]
        struct CartKeys { user: fn(id: u64) -> Text, }
    };
    assert_eq!(count(tokens), 0);
}

#[test]
fn a_misspelled_attribute_is_not_also_missing() {
    let tokens = quote! {
        #[keyspace(prefx = "cart", tll = "1h")]
        struct CartKeys { user: fn(id: u64) -> Text, }
    };
    assert_eq!(count(tokens), 2);
}

#[test]
fn a_misspelled_attribute_is_not_a_duplicate_of_the_correct_one() {
    let tokens = quote! {
        #[keyspace(prefx = "cart", prefix = "cart", ttl = none)]
        struct CartKeys { user: fn(id: u64) -> Text, }
    };
    assert_eq!(count(tokens), 1);
}

#[test]
fn an_invalid_ttl_is_not_also_missing() {
    let tokens = quote! {
        #[keyspace(prefix = "cart")]
        struct CartKeys { #[key(ttl = "1y")] user: fn(id: u64) -> Text, }
    };
    assert_eq!(count(tokens), 1);
}

#[test]
fn a_misspelled_placeholder_is_not_also_an_unused_parameter() {
    for template in ["{idd}", "{}", "{id:u64}", "{0}", "{id", "{r#id}", "{ id }"] {
        let tokens = quote! {
            #[keyspace(prefix = "cart", ttl = none)]
            struct CartKeys { #[key(#template)] user: fn(id: u64) -> Text, }
        };
        assert_eq!(count(tokens), 1, "{template}");
    }
}

#[test]
fn an_unknown_placeholder_and_an_unused_parameter_are_two_errors() {
    let tokens = quote! {
        #[keyspace(prefix = "cart", ttl = none)]
        struct CartKeys { #[key("user:{shopper}")] user: fn(id: u64) -> Text, }
    };
    assert_eq!(count(tokens), 2);
}

#[test]
fn a_renamed_attribute_suggests_the_new_name() {
    let tokens = quote! {
        #[keyspace(prefix = "cart", ttl = none, lanes = 2, exclusives = 8)]
        struct CartKeys { user: fn(id: u64) -> Text, }
    };
    assert_eq!(
        messages(keyspace(tokens)),
        [
            "`lanes` was renamed: use `shared_connections`",
            "`exclusives` was renamed: use `exclusive_connections`",
        ]
    );
}

#[test]
fn a_type_with_a_path_is_not_a_primitive() {
    for ty in [quote!(self::f64), quote!(self::str), quote!(types::f32)] {
        let tokens = quote! {
            #[keyspace(prefix = "cart", ttl = none)]
            struct CartKeys { user: fn(id: #ty) -> Text, }
        };
        assert_eq!(count(tokens), 0, "{ty}");
    }
    for ty in [quote!(f64), quote!(::core::primitive::f64), quote!(std::primitive::str)] {
        let tokens = quote! {
            #[keyspace(prefix = "cart", ttl = none)]
            struct CartKeys { user: fn(id: #ty) -> Text, }
        };
        assert_eq!(count(tokens), 1, "{ty}");
    }
}

#[test]
fn duplicate_names_are_reported_at_both_places() {
    let tokens = quote! {
        #[keyspace(prefix = "cart", ttl = none)]
        #[keyspace(db = 1, prefix = "cart")]
        struct CartKeys { user: fn(id: u64) -> Text, }
    };
    assert_eq!(
        messages(keyspace(tokens)),
        ["`prefix` is set twice; remove one", "`prefix` is first set here"]
    );
}

#[test]
fn the_suggested_prefix_is_the_name_of_the_struct() {
    for (name, proposal) in [
        ("CartKeys", "cart"),
        ("Carts", "carts"),
        ("HTTPCacheKeys", "http_cache"),
        ("Keys", "keys"),
        ("r#type", "type"),
    ] {
        let name: syn::Ident = syn::parse_str(name).unwrap();
        let messages = messages(keyspace(quote! {
            #[keyspace(ttl = none)]
            struct #name { user: fn(id: u64) -> Text, }
        }));
        assert!(messages[0].contains(&format!("prefix = \"{proposal}\"")), "{messages:?}");
    }
}

#[test]
fn key_arguments_report_everything_at_once() {
    let tokens = quote! {
        enum Device<T> {
            Phone(T),
            #[key("a b")]
            Desktop,
            #[key("phone")]
            Mobile,
            Größe,
        }
    };
    assert_eq!(messages(key_argument(tokens)).len(), 5);
}

#[test]
fn suggested_durations_are_valid() {
    for timeout in [quote!(-5), quote!(0), quote!("0"), quote!(5m), quote!(99999999999999999999)] {
        let messages = messages(keyspace(quote! {
            #[keyspace(prefix = "cart", ttl = none, timeout = #timeout)]
            struct CartKeys { user: fn(id: u64) -> Text, }
        }));
        assert!(!messages[0].contains("0s") && !messages[0].contains("-5"), "{messages:?}");
        assert_eq!(messages.len(), 1);
    }
}

#[test]
fn numbers_with_suffixes_are_errors() {
    for setting in [quote!(db = 2u8), quote!(retries = 3x), quote!(ttl = 30m), quote!(timeout = 30s)] {
        let tokens = quote! {
            #[keyspace(prefix = "cart", #setting)]
            struct CartKeys { #[key(ttl = none)] user: fn(id: u64) -> Text, }
        };
        assert_eq!(count(tokens), 1, "{setting}");
    }
}

#[test]
fn the_suggested_template_does_not_repeat_the_prefix() {
    for (template, proposal) in [
        ("cart:user", "\"user\""),
        ("cart:cart:user", "\"user\""),
        ("cart:::user", "\"user\""),
        ("cart:", "#[key(\"entry\")]"),
        ("cart:cart:", "#[key(\"entry\")]"),
    ] {
        let messages = messages(keyspace(quote! {
            #[keyspace(prefix = "cart", ttl = none)]
            struct CartKeys { #[key(#template)] entry: Text, }
        }));
        let doubled = messages.iter().find(|message| message.contains("twice")).unwrap();
        assert!(doubled.contains(proposal), "{doubled}");
    }
}

#[test]
fn a_length_is_a_number_or_an_inclusive_range() {
    let count = |length: TokenStream| {
        let tokens = quote! {
            #[key(alphabet = "a-z", len = #length)]
            struct Slug(String);
        };
        messages(key_argument(tokens)).len()
    };
    for length in [quote!(26), quote!(1..=40), quote!(7..=7)] {
        assert_eq!(count(length.clone()), 0, "{length}");
    }
    for length in [
        quote!(..=40),
        quote!(1..40),
        quote!(1 = 40),
        quote!(1..),
        quote!(1..=),
        quote!(1..=40..=50),
        quote!(1 40),
        quote!(40..=1),
        quote!(0..=4),
        quote!(1..=40u8),
        quote!("26"),
        quote!(65535),
    ] {
        assert_eq!(count(length.clone()), 1, "{length}");
    }
}

#[test]
fn converted_parameters_are_owned() {
    for (ty, count) in [
        (quote!(&str), 1),
        (quote!(Raw<&str>), 1),
        (quote!(Cow<'_, str>), 1),
        (quote!(String), 0),
        (quote!(&'static str), 0),
        (quote!(Cow<'static, str>), 0),
    ] {
        let tokens = quote! {
            #[keyspace(prefix = "cart", ttl = none)]
            struct CartKeys { #[key(into = name)] user: fn(name: #ty) -> Text, }
        };
        assert_eq!(self::count(tokens), count, "{ty}");
    }
}

/// A field with `parse = false` has neither a pattern nor a variant.
#[test]
fn names_that_are_not_generated_are_free() {
    for (parse, count) in [(quote!(parse = false), 0), (quote!(parse = true), 2)] {
        let tokens = quote! {
            #[keyspace(prefix = "cart", ttl = none)]
            struct CartKeys {
                #[key("user:{id}", #parse)]
                user: fn(id: u64) -> Text,
                user_keys: Text,
                #[key("other:{id}", #parse)]
                user_1: fn(id: u64) -> Text,
                user1: Text,
            }
        };
        assert_eq!(self::count(tokens), count, "{parse}");
    }
}

#[test]
fn values_after_an_equals_sign_are_checked_too() {
    let tokens = quote! {
        #[keyspace = "cart*"]
        struct CartKeys { #[key = "user:*"] #[key(ttl = none)] user: Text, }
    };
    assert_eq!(count(tokens), 4);
}

#[test]
fn values_may_contain_casts_and_generic_arguments() {
    let tokens = quote! {
        #[keyspace(prefix = "cart", ttl = 60 as u64, db = 2)]
        struct CartKeys {
            #[key("user:{id}", ttl = pick::<u8, u16>(), renew = "write")]
            user: fn(id: u64) -> Text,
        }
    };
    assert_eq!(messages(keyspace(tokens)), [""; 0]);
    let tokens = quote! {
        struct Profile {
            #[record(json, default = HashMap::<String, u64>::new(), rename = "s")]
            scores: HashMap<String, u64>,
            #[record(kind = P<u8, u8>, alias = "place")]
            point: (u8, u8),
            #[record(default = 3 as u64)]
            visits: u64,
        }
    };
    assert_eq!(messages(record(tokens)), [""; 0]);
}

#[test]
fn a_suffix_of_a_number_of_seconds_is_named() {
    let of = |ttl: TokenStream| {
        messages(keyspace(quote! {
            #[keyspace(prefix = "cart", #ttl)]
            struct CartKeys { #[key(ttl = none)] user: fn(id: u64) -> Text, }
        }))
    };
    assert_eq!(
        of(quote!(ttl = 3600u64)),
        ["`ttl` must be a number without a type: remove `u64`, as in `ttl = 3600`"]
    );
    assert_eq!(
        of(quote!(timeout = 5i32)),
        ["`timeout` needs a unit: `timeout = \"5s\"` or `timeout = \"5ms\"`"]
    );
    assert_eq!(of(quote!(ttl = 0u8)).len(), 1);
}

#[test]
fn types_with_a_path_may_have_the_names_of_others() {
    for (kind, count) in [
        (quote!(String), 1),
        (quote!(std::string::String), 1),
        (quote!(::core::option::Option<u8>), 1),
        (quote!(self::m::String), 0),
        (quote!(m::Option<u8>), 0),
        (quote!(<m::Kind as Trait>::String), 0),
    ] {
        let tokens = quote! {
            #[keyspace(prefix = "cart", ttl = none)]
            struct CartKeys { user: fn(id: u64) -> #kind, }
        };
        assert_eq!(self::count(tokens), count, "{kind}");
    }
}

#[test]
fn attributes_name_raw_parameters_without_their_prefix() {
    let tokens = quote! {
        #[keyspace(prefix = "cart", ttl = none)]
        struct CartKeys {
            #[key("{type}:{match}", into = (type, r#match), hash_tag = type)]
            user: fn(r#type: String, r#match: String) -> Text,
        }
    };
    let output = keyspace(tokens);
    assert!(output.to_string().contains("r#type : impl :: core :: convert :: Into < String >"), "{output}");
    assert_eq!(messages(output), [""; 0]);
}

#[test]
fn placeholders_are_any_names() {
    for name in ["l·l", "का", "_\u{93e}क", "größe"] {
        let (ident, template) = (quote::format_ident!("{name}"), format!("{{{name}}}"));
        let tokens = quote! {
            #[keyspace(prefix = "cart", ttl = none)]
            struct CartKeys { #[key(#template)] #ident: fn(#ident: u64) -> Text, }
        };
        assert_eq!(messages(keyspace(tokens)), [""; 0], "{name}");
        let tokens = quote! {
            #[keyspace(prefix = "cart", ttl = none)]
            struct CartKeys { #[key(#template)] user: fn(id: u64) -> Text, }
        };
        assert_ne!(count(tokens), 0, "{name}");
    }
}

#[test]
fn the_bound_struct_has_a_new_name() {
    for (name, count) in [
        (quote!(CartKeys), 1),
        (quote!(ParsedCartKeys), 1),
        (quote!(CartKeysPattern), 1),
        (quote!(r#CartKeys), 1),
        (quote!(BoundCartKeys), 0),
    ] {
        let tokens = quote! {
            #[keyspace(prefix = "cart", ttl = none, bound = #name)]
            struct CartKeys { user: fn(id: u64) -> Text, }
        };
        assert_eq!(self::count(tokens), count, "{name}");
    }
}

#[test]
fn attributes_of_scripts_are_set_once() {
    for (tokens, expected) in [
        (
            quote! { #[script(source = A, read_only, read_only = false)] struct S; },
            "`read_only` is set twice; remove one",
        ),
        (
            quote! { #[script(source = A)] #[script(source = B)] struct S; },
            "`source` is set twice; remove one",
        ),
        (
            quote! { #[script(source = A, returns = u8, returns = u8)] struct S; },
            "`returns` is set twice; remove one",
        ),
        (
            quote! { #[script(source = A, crate = a, crate = b)] struct S; },
            "`crate` is set twice; remove one",
        ),
        (
            quote! { #[script(source = A)] struct S { #[script(arg)] #[script(arg = Json<u64>)] a: u64 } },
            "`arg` is set twice; remove one",
        ),
    ] {
        let text = tokens.to_string();
        let found = messages(script(tokens));
        assert!(found.len() == 2 && found[0] == expected, "{text}: {found:?}");
        assert!(found[1].ends_with("is first set here"), "{found:?}");
    }
}

#[test]
fn each_error_of_a_script_is_reported_once() {
    for (tokens, count) in [
        (quote! { #[script(source = A, function = "b")] struct S; }, 1),
        (quote! { #[script(sorce = A)] struct S; }, 1),
        (quote! { #[script(return = Vec<(u8, u8)>, source = A, other(1, 2))] struct S; }, 2),
        (quote! { #[script(returns = 5, sourc, read_only = 1)] struct S; }, 3),
        (quote! { #[script(returns = u8)] struct S; }, 1),
        (quote! { #[script] struct S; }, 1),
        (quote! { #[script(source = A)] struct S<T> { #[script(args)] a: T, #[script] b: T } }, 2),
    ] {
        let text = tokens.to_string();
        let found = messages(script(tokens));
        assert_eq!(found.len(), count, "{text}: {found:?}");
    }
}

#[test]
fn invalid_input_does_not_panic() {
    assert_eq!(
        messages(keyspace(quote!(
            fn main() {}
        )))
        .len(),
        1
    );
    assert_eq!(messages(keyspace(TokenStream::new())).len(), 1);
    assert_eq!(messages(key_argument(quote!(struct))).len(), 1);
}

#[test]
fn records_report_everything_at_once() {
    let tokens = quote! {
        #[record(rename_all = "upper")]
        struct Profile<T> {
            #[record(json = true, kind = Point)]
            name: T,
            #[record(ttl = "1y", rename = 5)]
            first: String,
            #[record(alias = "name", "n", unknown)]
            last: String,
            #[record(default, default)]
            LAST: u8,
            #[record(ttl = none)]
            other: u8,
        }
    };
    // The case, the parameter; `json` with a value and `kind`; the unit and the name; a bare value,
    // an unknown attribute and a name that is taken; two defaults, at both; two constants of one
    // name; a lifetime of none.
    assert_eq!(messages(record(tokens)).len(), 13);
}

#[test]
fn only_structs_with_named_fields_are_records() {
    for tokens in [
        quote!(
            struct Profile;
        ),
        quote!(
            struct Profile(u8);
        ),
        quote!(
            struct Profile {}
        ),
        quote!(
            enum Profile {
                A,
            }
        ),
        quote!(union Profile { a: u8 }),
    ] {
        let messages = messages(record(tokens));
        assert!(messages.len() == 1 && messages[0].starts_with("a record must be a struct"), "{messages:?}");
    }
    assert_eq!(messages(record(quote!(struct))).len(), 1);
}

#[test]
fn names_that_others_use_are_suggested() {
    let tokens = quote! {
        struct Profile {
            #[record(name = "n", expires = "1h")]
            visits: u64,
        }
    };
    assert_eq!(
        messages(record(tokens)),
        [
            "unknown attribute `name`; did you mean `rename`?",
            "unknown attribute `expires`; did you mean `ttl`?",
        ]
    );
}

#[test]
fn attributes_of_other_derives_are_left_alone() {
    let tokens = quote! {
        #[key(alphabet = "a-z")]
        #[serde(transparent)]
        struct Slug(String);
    };
    assert_eq!(messages(single_value(tokens)).len(), 0);
    let tokens = quote! {
        #[single_value(crate = renamed)]
        enum Plan { #[single_value(rename = "a")] #[key("b")] A }
    };
    assert_eq!(messages(key_argument(tokens)).len(), 0);
}

#[test]
fn the_old_name_of_the_attribute_of_values_is_reported() {
    let tokens = quote! {
        #[value(rename_all = "snake_case")]
        enum Plan { #[value(rename = "a")] A, #[value(name = "b", help = "b")] B, #[value(skip)] C }
    };
    assert_eq!(
        messages(single_value(tokens)),
        ["the attribute of `SingleValue` was renamed: write `#[single_value(rename = \"a\")]`"]
    );
}

#[test]
fn each_error_of_a_value_is_reported_once() {
    for (tokens, count) in [
        (quote! { struct A; }, 1),
        (quote! { struct A(u8, u8); }, 1),
        (quote! { struct A(f64); }, 1),
        (quote! { struct A(&'static str); }, 1),
        (quote! { struct A<T>(T); }, 1),
        (quote! { struct A(#[single_value(rename = "a")] u8); }, 1),
        (quote! { enum A {} }, 1),
        (quote! { enum A { B(u8), C { d: u8 } } }, 2),
        (quote! { enum A { B, #[single_value(rename = "b")] C, #[single_value(rename = "")] D } }, 2),
        (
            quote! { enum A { #[single_value("b")] B, #[single_value(rename)] C, #[single_value(rename = 3)] D, #[single_value(renam = "d")] E } },
            4,
        ),
        (quote! { #[single_value("a")] #[single_value(rename = "a")] enum A { B } }, 2),
        (quote! { #[single_value(crate = "a")] enum A { B } }, 1),
        (quote! { union A { b: u8 } }, 1),
    ] {
        let text = tokens.to_string();
        let found = messages(single_value(tokens));
        assert_eq!(found.len(), count, "{text}: {found:?}");
    }
}
