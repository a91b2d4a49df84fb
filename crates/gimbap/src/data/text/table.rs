//! From characters to ids without hashing: encoding a text is one look-up a character.

use super::UNKNOWN_ID;

/// Characters in a page: those that share all but their last eight bits.
const PAGE: usize = 256;

/// The ids of characters, in pages: a text uses few of the 4,352 there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// Where each page's ids begin.
    pages: Vec<usize>,
    /// The first page is that of all unknown characters.
    ids: Vec<u32>,
}

impl Table {
    /// Tokens that are no single character have no place.
    pub(super) fn new(tokens: &[String]) -> Table {
        let mut table =
            Table { pages: vec![0; (char::MAX as usize + 1) / PAGE], ids: vec![UNKNOWN_ID; PAGE] };
        for (id, token) in (0..).zip(tokens) {
            let mut chars = token.chars();
            let (Some(c), None) = (chars.next(), chars.next()) else { continue };
            let page = &mut table.pages[c as usize / PAGE];
            if *page == 0 {
                *page = table.ids.len();
                table.ids.resize(table.ids.len() + PAGE, UNKNOWN_ID);
            }
            table.ids[*page + c as usize % PAGE] = id;
        }
        table
    }

    pub(super) fn id(&self, c: char) -> u32 {
        self.ids[self.pages[c as usize / PAGE] + c as usize % PAGE]
    }
}
