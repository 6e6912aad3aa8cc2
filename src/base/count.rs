//! Named counters: one macro makes a struct of `u64`s that can be added up and listed by name.

/// Declares a struct of counters with their documentation.
///
/// Each field is a `u64`. The struct gets `add` (field by field), `named` (name and value in declaration order) and
/// `from_names`, so that no list of counters is ever kept twice.
#[macro_export]
macro_rules! counters {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$field_meta])* pub $field: u64,)* }

        impl $name {
            /// Adds `other` to `self`, counter by counter.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }

            /// Names and values, in declaration order.
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($field), self.$field),)*]
            }

            /// The counters that `of` gives by name; `None` if one is missing.
            pub fn from_names(of: impl Fn(&str) -> Option<u64>) -> Option<Self> {
                Some(Self { $($field: of(stringify!($field))?,)* })
            }
        }
    };
}

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macro makes public structs")]
mod tests {
    counters! {
        /// Two.
        pub struct Two {
            /// First.
            first,
            /// Second.
            second,
        }
    }

    #[test]
    fn counters_add_and_name_themselves() {
        let mut sum = Two { first: 1, second: 2 };
        sum.add(&Two { first: 10, second: 20 });
        assert_eq!(sum.named(), [("first", 11), ("second", 22)]);
        assert_eq!(Two::from_names(|name| Some(name.len() as u64)), Some(Two { first: 5, second: 6 }));
        assert_eq!(Two::from_names(|name| (name == "first").then_some(1)), None);
    }
}
