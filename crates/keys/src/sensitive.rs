//! The one type that secrets travel in.

use std::fmt;

use zeroize::Zeroize;

/// A value that must not be seen: its `Debug` says `[redacted]`, it has neither `Display` nor `Serialize`, and its memory is overwritten when it is
/// dropped.
pub struct Sensitive<T: Zeroize>(T);

impl<T: Zeroize> Sensitive<T> {
    /// Takes the value in. Copies made before stay where they are.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value. Whoever calls this answers for where it goes.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize + Clone> Clone for Sensitive<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T: Zeroize> Drop for Sensitive<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    #[derive(Clone)]
    struct Witness(Rc<RefCell<u32>>);

    impl Zeroize for Witness {
        fn zeroize(&mut self) {
            *self.0.borrow_mut() += 1;
        }
    }

    #[test]
    fn a_secret_is_not_in_its_debug_output() {
        let secret = Sensitive::new("canary".to_owned());
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "[redacted] Some(\n    [redacted],\n)");
        assert_eq!(secret.expose(), "canary");
    }

    #[test]
    fn every_copy_is_overwritten_when_it_is_dropped() {
        let overwritten = Rc::default();
        let secret = Sensitive::new(Witness(Rc::clone(&overwritten)));
        drop(secret.clone());
        assert_eq!(*overwritten.borrow(), 1);
        drop(secret);
        assert_eq!(*overwritten.borrow(), 2);
    }
}
