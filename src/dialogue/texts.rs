//! A list of short texts in one piece of memory: a scan keeps hundreds of thousands of them.

/// Texts in order. None contains a line feed (see [`super::line::text`], which lets none through).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// Each text and a line feed.
    joined: Box<str>,
}

impl Texts {
    /// Adds a text; one with a line feed would count as two.
    pub fn push(&mut self, text: &str) {
        let mut joined = String::from(std::mem::take(&mut self.joined));
        joined.reserve_exact(text.len() + 1);
        joined.push_str(text);
        joined.push('\n');
        self.joined = joined.into_boxed_str();
    }

    /// The texts, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.joined.split_terminator('\n')
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.joined.bytes().filter(|byte| *byte == b'\n').count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.joined.is_empty()
    }

    /// Bytes of all texts together.
    pub fn bytes(&self) -> usize {
        self.joined.len() - self.len()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.joined = Box::default();
    }
}

impl From<Texts> for Vec<String> {
    fn from(texts: Texts) -> Self {
        texts.iter().map(str::to_owned).collect()
    }
}

impl<S: AsRef<str>> FromIterator<S> for Texts {
    fn from_iter<I: IntoIterator<Item = S>>(texts: I) -> Self {
        let mut all = Self::default();
        texts.into_iter().for_each(|text| all.push(text.as_ref()));
        all
    }
}

impl<S: AsRef<str>> PartialEq<[S]> for Texts {
    fn eq(&self, other: &[S]) -> bool {
        self.iter().eq(other.iter().map(AsRef::as_ref))
    }
}

impl<S: AsRef<str>, const N: usize> PartialEq<[S; N]> for Texts {
    fn eq(&self, other: &[S; N]) -> bool {
        *self == other[..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were_put() {
        let mut texts = Texts::default();
        assert_eq!((texts.len(), texts.is_empty(), texts.bytes()), (0, true, 0));
        for text in ["AUTH PLAIN", "", "8BITMIME"] {
            texts.push(text);
        }
        assert_eq!(texts, ["AUTH PLAIN", "", "8BITMIME"]);
        assert_eq!((texts.len(), texts.bytes()), (3, 18));
        assert_eq!(Vec::from(texts.clone()), ["AUTH PLAIN", "", "8BITMIME"]);
        assert_eq!(["AUTH PLAIN", "", "8BITMIME"].into_iter().collect::<Texts>(), texts);
        texts.clear();
        assert_eq!(texts, Texts::default());
    }
}
