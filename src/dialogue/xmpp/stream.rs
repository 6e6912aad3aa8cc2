//! One direction of an XML stream (RFC 6120, section 4): bytes in at any split, what stands right below the root out.
//!
//! rxml reads the XML. It refuses what a stream must not contain (document types, entities, processing instructions:
//! section 11.1); comments, which it must not contain either, are skipped as lenient parsers do. Added here are
//! namespaces, bounds, and rest: between two elements the parser is put away, and what stays is the root's name and
//! the namespaces it declared.

use std::borrow::Cow;
use std::fmt;

use rxml::error::EndOrError;
use rxml::parser::{CommentMode, Options, RawEvent};
use rxml::{Parse, RawParser, WithOptions, XMLNS_XML};

/// Bytes of a name or an attribute's value; a longer one ends the stream.
const TOKEN: usize = 2_048;
/// Elements inside each other; more end the stream.
const DEPTH: usize = 32;
/// Bytes of all namespaces declared at one place; more end the stream.
const SCOPE: usize = 4_096;
/// Bytes kept of a start tag of the first two levels, or of one child with all it contains.
const KEPT: usize = 8_192;
/// What a name, a value or an element counts beyond its bytes.
const OVERHEAD: usize = 16;

/// Namespaces that nearly every stream declares: in [`Stream::scope`] each is one character, which XML does not have.
const KNOWN: &[&str] =
    &["jabber:client", "jabber:server", "http://etherx.jabber.org/streams", "jabber:server:dialback"];

/// What [`Stream::scope`] is inside the roots of most servers and clients, ours among them: kept once for all.
const COMMON: &[&str] = &[
    "stream:stream\n \u{1}\nstream \u{3}\n",
    "stream:stream\nstream \u{3}\n \u{1}\n",
    "stream:stream\n \u{2}\nstream \u{3}\ndb \u{4}\n",
];

/// What a stream shows. Names are `{namespace}local`, or `local` without a namespace.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The root's start tag.
    Root(Element),
    /// The start tag of an element below the root.
    Begin(Element),
    /// A child of it, complete.
    Child(Element),
    /// Its end.
    End,
    /// The root's end tag.
    Close,
}

/// An element, as far as [`KEPT`] reaches.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    /// Names as written and values, in order; namespace declarations are left out.
    pub(super) attributes: Vec<(String, String)>,
    /// All text directly inside.
    pub(super) text: String,
    /// Elements directly inside; what they contain is left out.
    pub(super) children: Vec<Element>,
}

/// Why a stream cannot be read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Reads one direction of a stream.
#[derive(Default)]
pub(super) struct Stream {
    /// `None` between elements.
    parser: Option<Box<RawParser>>,
    /// The element below the root that is under way.
    under_way: Option<Box<UnderWay>>,
    /// The root's name as written, and the namespace declarations in force, outer ones first: prefix, a space,
    /// namespace. Each with a line feed. One piece of memory, as hundreds of thousands of streams wait.
    scope: Cow<'static, str>,
    /// Open elements.
    depth: u8,
    /// The parser may be put away if it has nothing more to say.
    settled: bool,
    /// Something was not kept.
    cut: bool,
}

/// What is known of elements that are not complete.
#[derive(Default)]
struct UnderWay {
    /// Length of [`Stream::scope`] outside each open element.
    marks: Vec<usize>,
    /// The start tag under way: prefix, and the element with its local name.
    prefix: String,
    head: Element,
    /// Third level.
    child: Element,
    /// Fourth level.
    leaf: Element,
    /// Bytes that may still be kept.
    room: usize,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("scope", &self.scope).field("depth", &self.depth).finish_non_exhaustive()
    }
}

impl Stream {
    /// The next item out of `bytes`, which it uses up to the item's last byte; `None` when they are used up.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Result<Item, Unreadable>> {
        loop {
            let event = if self.settled { self.rest(bytes)? } else { self.parse(bytes)? };
            match event.and_then(|event| self.event(event)) {
                Ok(None) => {}
                Ok(Some(item)) => return Some(Ok(item)),
                Err(unreadable) => return Some(Err(unreadable)),
            }
        }
    }

    /// Something was too long to be kept.
    pub(super) fn cut(&self) -> bool {
        self.cut
    }

    /// Between elements: what the parser still has to say, else it is put away until there is more than white space.
    fn rest(&mut self, bytes: &mut &[u8]) -> Option<Result<RawEvent, Unreadable>> {
        if self.parser.is_some()
            && let Some(event) = self.parse(&mut &b""[..])
        {
            return Some(event);
        }
        *bytes = bytes.trim_ascii_start();
        if bytes.is_empty() {
            self.parser = None;
            return None;
        }
        self.settled = false;
        self.parse(bytes)
    }

    fn parse(&mut self, bytes: &mut &[u8]) -> Option<Result<RawEvent, Unreadable>> {
        if self.parser.is_none() {
            // Before the root, too, white space is skipped: lenient servers send some.
            *bytes = bytes.trim_ascii_start();
            match bytes.first() {
                None => return None,
                // rxml would wait for the end of the text.
                Some(byte) if self.depth == 0 && *byte != b'<' => return Some(Err(Unreadable)),
                Some(_) => {}
            }
        }
        let root = self.scope.lines().next().filter(|_| self.depth > 0);
        let parser = self.parser.get_or_insert_with(|| parser(root));
        match parser.parse(bytes, false) {
            Ok(event) => Some(event.ok_or(Unreadable)),
            Err(EndOrError::NeedMoreData) => None,
            Err(EndOrError::Error(_)) => Some(Err(Unreadable)),
        }
    }

    fn event(&mut self, event: RawEvent) -> Result<Option<Item>, Unreadable> {
        match event {
            RawEvent::XmlDeclaration(..) => Ok(None),
            RawEvent::ElementHeadOpen(_, (prefix, local)) => {
                self.open(prefix.as_ref().map_or("", |prefix| prefix.as_str()), &local).map(|()| None)
            }
            RawEvent::Attribute(_, (prefix, local), value) => {
                match (prefix.as_ref().map(|prefix| prefix.as_str()), local.as_str()) {
                    (None, "xmlns") => self.declare("", &value).map(|()| None),
                    (Some("xmlns"), local) => self.declare(local, &value).map(|()| None),
                    (prefix, local) => {
                        self.attribute(prefix, local, value);
                        Ok(None)
                    }
                }
            }
            RawEvent::ElementHeadClose(_) => self.head_closed(),
            RawEvent::Text(_, text) => {
                self.text(&text);
                Ok(None)
            }
            RawEvent::ElementFoot(_) => Ok(self.foot()),
        }
    }

    fn under_way(&mut self) -> &mut UnderWay {
        self.under_way.get_or_insert_default()
    }

    fn open(&mut self, prefix: &str, local: &str) -> Result<(), Unreadable> {
        if usize::from(self.depth) >= DEPTH {
            return Err(Unreadable);
        }
        self.depth += 1;
        let (depth, mark) = (self.depth, self.scope.len());
        if depth == 1 {
            self.scope = if prefix.is_empty() { format!("{local}\n") } else { format!("{prefix}:{local}\n") }.into();
        }
        let open = self.under_way();
        open.marks.push(mark);
        if depth <= 3 {
            open.room = KEPT;
        }
        open.prefix = prefix.to_owned();
        open.head = Element { name: local.to_owned(), ..Element::default() };
        Ok(())
    }

    fn declare(&mut self, prefix: &str, namespace: &str) -> Result<(), Unreadable> {
        if namespace.contains(char::is_control) || self.scope.len() + prefix.len() + namespace.len() > SCOPE {
            return Err(Unreadable);
        }
        let known = KNOWN.iter().position(|known| *known == namespace).and_then(|at| u8::try_from(at + 1).ok());
        let scope = self.scope.to_mut();
        scope.push_str(prefix);
        scope.push(' ');
        match known {
            Some(code) => scope.push(char::from(code)),
            None => scope.push_str(namespace),
        }
        scope.push('\n');
        Ok(())
    }

    /// The name with its namespace.
    fn resolve(&self, prefix: &str, local: &str) -> Result<String, Unreadable> {
        let declared = self.scope.lines().rev().find_map(|line| {
            let (name, namespace) = line.split_once(' ')?;
            (name == prefix).then_some(namespace)
        });
        let namespace = match (declared, prefix) {
            (Some(namespace), _) => match namespace.as_bytes() {
                [code @ 1..=4] => KNOWN[usize::from(code - 1)],
                _ => namespace,
            },
            (None, "") => "",
            (None, "xml") => XMLNS_XML,
            (None, _) => return Err(Unreadable),
        };
        Ok(if namespace.is_empty() { local.to_owned() } else { format!("{{{namespace}}}{local}") })
    }

    fn attribute(&mut self, prefix: Option<&str>, local: &str, value: String) {
        if self.depth > 4 {
            return;
        }
        let name = prefix.map_or_else(|| local.to_owned(), |prefix| format!("{prefix}:{local}"));
        let open = self.under_way();
        if open.takes(name.len() + value.len() + OVERHEAD) {
            open.head.attributes.push((name, value));
        } else {
            self.cut = true;
        }
    }

    fn head_closed(&mut self) -> Result<Option<Item>, Unreadable> {
        let depth = self.depth;
        let open = self.under_way();
        let (prefix, mut head) = (std::mem::take(&mut open.prefix), std::mem::take(&mut open.head));
        if depth > 4 {
            return Ok(None);
        }
        head.name = self.resolve(&prefix, &head.name)?;
        let fits = self.under_way().takes(head.name.len() + OVERHEAD);
        self.cut |= !fits;
        match depth {
            1 => {
                // The namespaces that the root declares stay.
                self.tidy();
                self.settled = true;
                return Ok(Some(Item::Root(head)));
            }
            2 => return Ok(Some(Item::Begin(head))),
            3 => self.under_way().child = head,
            _ if fits => self.under_way().leaf = head,
            _ => {}
        }
        Ok(None)
    }

    fn text(&mut self, text: &str) {
        let depth = self.depth;
        if !matches!(depth, 3 | 4) {
            return;
        }
        let open = self.under_way();
        // By character, as the parser's pieces depend on how the bytes arrive.
        let fitting = text.char_indices().take_while(|(_, c)| open.takes(c.len_utf8())).last();
        let kept = &text[..fitting.map_or(0, |(at, c)| at + c.len_utf8())];
        let element = if depth == 3 { &mut open.child } else { &mut open.leaf };
        element.text.push_str(kept);
        self.cut |= kept.len() < text.len();
    }

    fn foot(&mut self) -> Option<Item> {
        let depth = self.depth;
        self.depth -= 1;
        if depth <= 2 {
            // Nobody may ask for more.
            self.parser = None;
            self.settled = true;
        }
        if depth == 1 {
            return Some(Item::Close);
        }
        let open = self.under_way();
        let mark = open.marks.pop().unwrap_or(0);
        let item = match depth {
            2 => Some(Item::End),
            3 => Some(Item::Child(std::mem::take(&mut open.child))),
            4 => {
                let leaf = std::mem::take(&mut open.leaf);
                if !leaf.name.is_empty() {
                    open.child.children.push(leaf);
                }
                None
            }
            _ => None,
        };
        if self.scope.len() > mark {
            self.scope.to_mut().truncate(mark);
        }
        if depth == 2 {
            self.tidy();
        }
        item
    }

    /// Keeps no more than is needed between two elements.
    fn tidy(&mut self) {
        self.under_way = None;
        match COMMON.iter().find(|common| **common == self.scope) {
            Some(common) => self.scope = Cow::Borrowed(common),
            None => self.scope.to_mut().shrink_to_fit(),
        }
    }
}

impl UnderWay {
    /// Whether so many bytes fit; if they do not, nothing that follows does.
    fn takes(&mut self, bytes: usize) -> bool {
        match self.room.checked_sub(bytes) {
            Some(left) => self.room = left,
            None => self.room = 0,
        }
        self.room > 0
    }
}

/// A parser for what follows: the document's begin, or what is inside the root.
fn parser(root: Option<&str>) -> Box<RawParser> {
    let options = Options { max_token_length: TOKEN, context: None, comments: CommentMode::Discard };
    let mut parser = Box::new(RawParser::with_options(options));
    if let Some(root) = root {
        let tag = format!("<{root}>");
        let mut bytes = tag.as_bytes();
        // Its events are known: they were given when the real one came.
        while parser.parse(&mut bytes, false).is_ok() {}
    }
    parser
}

#[cfg(test)]
mod tests;
