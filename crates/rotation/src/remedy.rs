//! Closed sets of reasons, each with what a person can do about it.

/// Declares an enum of reasons: a line of documentation for each, its name, `Refusal` where a person must act or `Passing` where it passes by itself, and the
/// remedy as a sentence.
#[macro_export]
macro_rules! reasons {
    ($(#[$about:meta])* pub enum $set:ident { $($(#[$doc:meta])* $name:ident $class:ident $remedy:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum $set { $($(#[$doc])* $name,)* }

        impl $set {
            /// Every reason, for metrics that start at zero.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The CamelCase word of conditions, events and metric labels.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What a person can do about it, as a sentence.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }

            /// Whether a person must act before it can go on. Everything else passes by itself.
            pub const fn is_refusal(self) -> bool {
                match self { $(Self::$name => $crate::reasons!(@is_refusal $class),)* }
            }
        }

        impl std::fmt::Display for $set {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
    (@is_refusal Refusal) => { true };
    (@is_refusal Passing) => { false };
}
