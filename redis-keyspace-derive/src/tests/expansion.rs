//! Snapshots of expansions. After a change, update them with `INSTA_UPDATE=always cargo test` and
//! review the diff.

use proc_macro2::{Delimiter, Group, TokenTree};
use quote::quote;

use super::pretty;
use crate::expand::{key_argument, keyspace, record, single_value};

/// Omits the expression, because it would repeat the test.
macro_rules! snapshot {
    ($tokens:expr) => {
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(pretty($tokens)) })
    };
}

#[test]
fn carts() {
    snapshot!(keyspace(quote! {
        /// Shopping carts.
        #[derive(Keyspace)]
        #[keyspace(prefix = "cart", db = 2, ttl = 3600)]
        pub struct CartKeys {
            /// The open cart of one shopper.
            #[key("user:{id}")]
            user: fn(id: u64) -> Json<Cart>,

            #[key("user:{id}:views", ttl = "30d")]
            pub(crate) views: fn(id: u64) -> Counter,

            /// Shown on the front page.
            #[key("featured", ttl = none)]
            featured: Json<Vec<Sku>>,
        }
    }));
}

#[test]
fn renewed() {
    snapshot!(keyspace(quote! {
        #[derive(Keyspace)]
        #[keyspace(prefix = "room", ttl = "2m", renew = "write")]
        struct RoomKeys {
            online: Set<u64>,
            #[key(renew = "creation")]
            invited: Set<u64>,
            #[key(renew = "write")]
            typing: Set<u64>,
        }
    }));
}

#[test]
fn unusual() {
    snapshot!(keyspace(quote! {
        #[keyspace(prefix = none, ttl = "90s", timeout = "250ms", crate = facade::redis_keyspace)]
        #[keyspace(server = "shop", retries = 3, shared_connections = 2, exclusive_connections = 8)]
        #[doc(hidden)]
        #[non_exhaustive]
        #[deprecated = "old"]
        #[allow(non_camel_case_types)]
        struct r#type {
            #[doc = include_str!("match.md")]
            #[doc(hidden)]
            #[deprecated = "old"]
            #[expect(non_snake_case, reason = "old")]
            r#match: fn(r#type: &'static str, alias: Cow<str>, digest: [u8; Self::LEN]) -> Json<Self>,

            #[key("{{order:{id}}}-{name}", ttl = none)]
            order: fn(name: Raw<&str>, id: &u64) -> Text,
        }
    }));
}

#[test]
fn bound_to_a_handle() {
    snapshot!(keyspace(quote! {
        #[keyspace(prefix = "cart", ttl = none, bound = BoundCartKeys)]
        pub struct CartKeys {
            /// The open cart of one shopper.
            pub(crate) user: fn(id: u64, name: &str) -> Json<Self>,
            featured: Text,
        }
    }));
}

#[test]
fn without_fills() {
    snapshot!(keyspace(quote! {
        #[keyspace(prefix = "flag", ttl = none, fills = false)]
        struct FlagKeys {
            on: fn(id: u64) -> bool,
            #[key(fills = false)]
            sent: Once<Text>,
        }
    }));
}

#[test]
fn mistakes_still_give_every_name() {
    snapshot!(keyspace(quote! {
        #[keyspace(prefix = "cart")]
        pub struct CartKeys {
            /// The open cart of one shopper.
            #[key("user:{ids}")]
            user: fn(id: u64) -> Json<Cart>,
            near: fn(f64, f32),
            user_: fn(id: u64, id: u64) -> Text,
        }
    }));
}

#[test]
fn generics_still_give_constructors() {
    snapshot!(keyspace(quote! {
        #[keyspace(prefix = "cart", ttl = none)]
        struct CartKeys<T> where T: Clone {
            user: fn(id: u64) -> Json<T>,
        }
    }));
}

#[test]
fn newtype() {
    snapshot!(key_argument(quote! {
        #[key(crate = renamed)]
        pub struct UserId(u64);
    }));
}

#[test]
fn newtype_with_name() {
    snapshot!(key_argument(quote! {
        struct Name { text: Box<str> }
    }));
}

#[test]
fn unit_enum() {
    snapshot!(key_argument(quote! {
        enum Device {
            Phone,
            #[key("desk-top")]
            Desktop,
            SmartTV,
        }
    }));
}

#[test]
fn no_argument() {
    snapshot!(key_argument(quote! {
        struct Point { x: u32, y: u32 }
    }));
}

#[test]
fn profile() {
    snapshot!(record(quote! {
        /// A user.
        pub struct Profile {
            pub name: String,
            #[record(rename = "n", default)]
            visits: u64,
            #[record(json, ttl = "1h")]
            pub(crate) prefs: Option<Prefs>,
            #[record(kind = Point, alias = "place", alias = "at", default = (0, Self::Y))]
            position: (i32, i32),
            r#type: Option<Bytes>,
        }
    }));
}

/// As from `default = $base * 2`.
#[test]
fn fragments_of_macros_keep_their_precedence() {
    let base = TokenTree::Group(Group::new(Delimiter::None, quote!(30 + 30)));
    let expansion = record(quote! {
        struct Profile {
            #[record(default = #base * 2)]
            visits: u64,
        }
    });
    assert!(expansion.to_string().contains(&quote!(|| (30 + 30) * 2).to_string()), "{expansion}");
    let expansion = keyspace(quote! {
        #[keyspace(prefix = "cart", ttl = #base * 2)]
        struct CartKeys {
            user: fn(id: [u8; #base * 2]) -> Text,
        }
    });
    let text = expansion.to_string();
    assert!(text.contains(&quote!(TtlValue((30 + 30) * 2)).to_string()), "{text}");
    assert!(text.contains(&quote!([u8; (30 + 30) * 2]).to_string()), "{text}");
}

#[test]
fn record_in_another_case() {
    snapshot!(record(quote! {
        #[record(rename_all = "camelCase", crate = renamed)]
        struct Profile {
            first_name: String,
            #[record(rename = "x", constant = LAST)]
            last_name: String,
        }
    }));
}

#[test]
fn a_record_with_errors_still_has_constants() {
    snapshot!(record(quote! {
        struct Profile {
            name: String,
            #[record(rename = "name")]
            first: String,
        }
    }));
}

#[test]
fn value_newtype() {
    snapshot!(single_value(quote! {
        #[single_value(crate = renamed)]
        pub struct UserId(u64);
    }));
}

#[test]
fn value_enum() {
    snapshot!(single_value(quote! {
        enum Plan {
            Free,
            #[single_value(rename = "pro-2")]
            Professional,
        }
    }));
}

#[test]
fn no_value() {
    snapshot!(single_value(quote! {
        struct Point { x: u32, y: u32 }
    }));
}
