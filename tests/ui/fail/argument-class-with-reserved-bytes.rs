use redis_keyspace::KeyArgument;
use redis_keyspace::key::{ArgumentClass, KeyWriter};

struct Path(&'static str);

impl KeyArgument for Path {
    type Parsed = ();
    const CLASS: ArgumentClass = ArgumentClass::one_of(&["a:b", "c"]);

    fn write(&self, out: &mut KeyWriter) {
        out.write_str(self.0);
    }

    fn parse(_: &str) -> Option<()> {
        None
    }
}

const _: ArgumentClass = Path::CLASS;

fn main() {}
