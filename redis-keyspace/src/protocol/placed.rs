//! Commands with keys among their other arguments, and the words of any command in order.

use super::args::{write_bulk, write_length};
use super::packet::Packet;
use super::wire_buffer::WireBuffer;

impl Packet {
    /// Visits all words after the name, as they are sent, each in parts.
    pub(crate) fn visit_words(&self, namespace: &str, each: &mut dyn FnMut(&[&[u8]])) {
        self.head.iter().flat_map(|head| head.iter()).for_each(|argument| each(&[argument]));
        let Some(places) = &self.places else {
            self.keys.visit(namespace, &mut |parts| {
                let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
                each(&parts);
            });
            return self.args.iter().for_each(|argument| each(&[argument]));
        };
        let mut keys = self.keys.as_slice().iter().zip(&places.0).peekable();
        let mut args = self.args.iter();
        for nth in 0..=self.args.len() {
            while let Some((key, _)) = keys.next_if(|(_, place)| **place <= nth) {
                each(&[namespace.as_bytes(), key.as_str().as_bytes()]);
            }
            args.next().into_iter().for_each(|argument| each(&[argument]));
        }
    }

    /// Appends a command with keys among its arguments.
    pub(super) fn encode_placed(&self, namespace: &str, out: &mut WireBuffer) {
        let before = self.head.as_ref().map_or(0, |head| head.len());
        write_length(&mut out.bytes, b'*', 1 + before + self.keys.count() + self.args.len());
        write_bulk(&mut out.bytes, &[self.name]);
        self.visit_words(namespace, &mut |parts| write_bulk(&mut out.bytes, parts));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyText;
    use crate::protocol::{Keys, PlacesOfKeys};

    #[test]
    fn keys_are_sent_at_their_places() {
        let keys = ["a", "b", "c"].map(KeyText::Static).to_vec();
        let mut packet = Packet::new("ZUNIONSTORE", Keys::Many(keys));
        ["2", "WEIGHTS"].iter().for_each(|argument| packet.args.push(argument.as_bytes()));
        for (places, sent) in [
            ([0, 1, 1], ["n:a", "2", "n:b", "n:c", "WEIGHTS"]),
            ([0, 0, 2], ["n:a", "n:b", "2", "WEIGHTS", "n:c"]),
            ([2, 2, 2], ["2", "WEIGHTS", "n:a", "n:b", "n:c"]),
        ] {
            packet.places = Some(Box::new(PlacesOfKeys(places.to_vec())));
            let mut words = Vec::new();
            packet.visit_words("n:", &mut |parts| words.push(String::from_utf8(parts.concat()).unwrap()));
            assert_eq!(words, sent);
            let mut out = WireBuffer::default();
            packet.encode("n:", &mut out);
            let wire = String::from_utf8(out.drain(usize::MAX)).unwrap();
            let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
            assert_eq!(wire, format!("*6\r\n$11\r\nZUNIONSTORE\r\n{words}"));
        }
    }
}
