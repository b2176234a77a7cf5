//! How does a number of an IANA registry become a type with names?

/// A newtype over the registry's number with a constant for each entry known here, a method
/// that gives the registered name, and [`core::fmt::Display`] by that name, or by the given
/// format for numbers without one.
macro_rules! registry {
    (
        $(#[$doc:meta])* $type:ident($int:ty), $named:ident, $unknown:literal;
        $($(#[$item:meta])* $name:ident = $value:literal $text:literal;)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(pub $int);

        impl $type {
            $($(#[$item])* pub const $name: Self = Self($value);)*

            /// The registered name, if it is known here.
            pub const fn $named(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }
        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.$named() {
                    Some(text) => f.write_str(text),
                    None => write!(f, $unknown, self.0),
                }
            }
        }
        impl core::fmt::Debug for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }
    };
}
pub(crate) use registry;
