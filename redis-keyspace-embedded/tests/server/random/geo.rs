//! Positions on the earth.

use redis_keyspace_harness::RealServer;

use super::commands::Family;
use super::runner::sequences_agree;

pub(super) const GEO: Family = Family {
    name: "geo",
    templates: &[
        "GEOADD K 13.361389|15|-122.4|0|180|-180|2.35|-0.1 38.115556|37.5|0|85.05112878|-85.05112878|48.85|51.5|-33.9 E",
        "GEOADD K 13.361389|15|-122.4|0 38.115556|37.5|0 E 15.087269|13.5|15.1|14|2.2 37.502669|37|38.2|48.8 E",
        "GEOADD K [ NX|XX ] [ CH ] 13.4|15.2|-122.3|1 38.1|37.4|1 E",
        "GEOADD K [ NX ] [ XX ] [ CH ] 181|x|15|nan 86|-90|y|10 E",
        "GEODIST K E E [ m|km|ft|mi|M|x ]",
        "GEOPOS K E+",
        "GEOHASH K E+",
        "GEOSEARCH K FROMLONLAT 15|13.4|-122|0|2.3|179.9 37|38|0|48|84|-33 BYRADIUS 0|1|100|200|5000|20000|30000 km|m|mi [ ASC|DESC ] [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ]",
        "GEOSEARCH K FROMLONLAT 15|13.4|-122|0|2.3 37|38|0|48|-33 BYBOX 1|100|400|5000|20000 10|400|3000|40000 km|ft|mi [ ASC|DESC ] [ WITHCOORD ] [ WITHDIST ] [ COUNT 1|2|0|-1|x ]",
        "GEOSEARCH K FROMMEMBER E BYRADIUS 0|10|100|200|5000 km|m|x [ ASC|DESC ] [ COUNT 1|2|10 ] [ WITHDIST ]",
        "GEOSEARCH K FROMMEMBER E BYRADIUS 5000|20000 km COUNT 1|2|3 ANY [ ASC ]",
        "GEOSEARCH K FROMMEMBER E BYBOX 100|400 400|-1|x km [ ANY ] [ WITHHASH ]",
        "geosearch K [ FROMMEMBER a ] [ FROMLONLAT 15 37 ] [ BYRADIUS 200 km ] [ BYBOX 400 400 km ] ASC",
        "GEOSEARCHSTORE K K FROMLONLAT 15|13|0 37|38|0 BYRADIUS 100|200|5000 km|m|mi [ ASC|DESC ] [ COUNT 1|2 ] [ STOREDIST ]",
        "GEOSEARCHSTORE K K FROMMEMBER E BYBOX 400|5000 400|5000 km|ft [ STOREDIST ] [ WITHDIST ] [ COUNT 1 ANY ]",
        "GEORADIUS K 15|13.4|-122|0|2.3|179.9|181 37|38|0|48|84|-33 0|1|100|200|5000|20000|-1|x km|m|mi|x [ ASC|DESC ] [ WITHCOORD ] [ WITHDIST ] [ WITHHASH ] [ COUNT 1|2|0|x ]",
        "GEORADIUS K 15|13|0 37|38|0 100|200|5000|30000 km|m|mi [ ASC|DESC ] [ COUNT 1|2 ] STORE|STOREDIST K [ STORE|STOREDIST K ] [ WITHDIST ]",
        "GEORADIUS_RO K 15|13|0 37|38|0 100|200|5000 km|ft [ WITHDIST ] [ COUNT 1|2 ANY ] [ STORE K ]",
        "GEORADIUSBYMEMBER K E 0|10|100|200|5000|-1|x km|m|x [ ASC|DESC ] [ COUNT 1|2|10 ] [ WITHDIST ] [ STORE|STOREDIST K ]",
        "GEORADIUSBYMEMBER_RO K E 0|100|5000 km|mi [ COUNT 1|2|3 ANY ] [ DESC ] [ WITHHASH ] [ STOREDIST K ]",
        "ZADD K 3479099956230698|0|1|4503599627370495 E",
        "ZRANGE K 0 -1 WITHSCORES",
        "SET K E",
        "DEL K",
        "EXPIRE K 100",
    ],
    keys: &["g", "h", "{g}i"],
    elements: &[b"a", b"b", b"c", b"d", b"", b"\x00\xff\r\n"],
    state: &["TYPE", "ZRANGE K 0 -1 WITHSCORES", "TTL"],
};

#[test]
fn random_geo_commands_get_the_same_replies() {
    sequences_agree(GEO, &RealServer::builder().start());
}
