use redis_keyspace::{ArgumentClass, KeyArgument, KeyWriter};

struct Path(&'static str);

impl KeyArgument for Path {
    type Parsed = ();
    const CLASS: ArgumentClass = ArgumentClass::one_of(&["a:b", "c"]);

    fn write(&self, out: &mut KeyWriter) {
        out.text(self.0);
    }

    fn parse(_: &str) -> Option<()> {
        None
    }
}

fn main() {
    let _ = Path::CLASS;
}
