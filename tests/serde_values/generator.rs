//! Draws a random value of any type that is `Deserialize`. It is a deserializer whose input is a random number generator. It has no list of
//! the fields of types, so it draws a new field or variant without a change here. It knows by name only what no deserializer can see: the
//! texts of times and focal points, and the fields of types that are flattened or tagged.

use std::fmt::{self, Display};

use serde::de::value::Error;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_json::{Value, json};

/// The number of attempts for one value. A type may refuse a value because a field has a rule (no id of 0, no focal point outside the
/// picture).
const TRIES: u32 = 1000;

/// Draws a value of `T`. Equal seeds draw equal values.
pub(crate) fn draw<T: DeserializeOwned>(seed: u64) -> T {
    let mut numbers = Numbers(seed);
    let mut refused = None;
    for _ in 0..TRIES {
        match T::deserialize(Draw { numbers: &mut numbers, field: "" }) {
            Ok(value) => return value,
            Err(error) => refused = Some(error),
        }
    }
    panic!("{}: no draw is accepted: {refused:?}", std::any::type_name::<T>());
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let number = self.below(choices.len() as u64);
        choices[usize::try_from(number).expect("it is below a length")]
    }

    /// An integer of random magnitude: small numbers are as frequent as large ones.
    fn integer(&mut self) -> u64 {
        let bits = self.below(65);
        if bits == 0 { 0 } else { self.next() >> (64 - bits) }
    }

    fn number(&mut self) -> f64 {
        let drawn = f64::from_bits(self.next());
        let plain = f64::from(u32::try_from(self.below(1 << 32)).expect("it has 32 bits")) / 1000.0;
        if drawn.is_finite() && self.below(2) == 0 { drawn } else { plain }
    }

    fn text(&mut self) -> String {
        const LETTERS: [char; 12] = ['a', 'Z', '0', ' ', '"', '\\', '\n', '\0', '/', 'é', '영', '🎬'];
        if self.below(3) == 0 {
            // A focal point is a text, too.
            return format!("{},{}", self.below(11) as f64 / 10.0, self.below(1_000_001) as f64 / 1e6);
        }
        (0..self.below(12)).map(|_| self.one_of(&LETTERS)).collect()
    }

    fn time(&mut self) -> String {
        let seconds = self.integer() >> 20;
        match self.below(4) {
            0 => format!("{seconds}"),
            1 => format!("{seconds}.{:09}", self.below(1_000_000_000)),
            2 => format!("-{seconds}.{:03}", self.below(1000)),
            _ => format!("{}%", self.below(1_000_001) as f64 / 1e4),
        }
    }

    /// A value of a flattened field. The flattened types have numbers, and the verdict of an appearance.
    fn flattened(&mut self, field: &str) -> Value {
        match field {
            "verdict" => json!(self.one_of(&["good", "blurred", "title_card", "flat", "white", "black"])),
            "entropy" | "brightness" | "sharpness" => {
                json!(f32::from_bits(u32::try_from(self.below(0x7f00_0000)).expect("it has 31 bits")))
            }
            _ => json!(self.integer()),
        }
    }

    fn side_data(&mut self) -> Value {
        let small = |numbers: &mut Self| i32::try_from(numbers.below(1 << 31)).expect("it has 31 bits");
        let ratio = |numbers: &mut Self| json!({ "num": small(numbers), "den": -small(numbers) });
        match self.below(8) {
            0 => json!({
                "kind": "display_matrix",
                "matrix": (0..9).map(|_| small(self)).collect::<Vec<_>>(),
                "rotation": self.number(),
            }),
            1 => json!({
                "kind": "dolby_vision", "version": [1, self.below(256)], "profile": self.below(256), "level": 6,
                "has_metadata": true, "has_enhancement_layer": self.below(2) == 0, "has_base_layer": true,
                "compatibility_id": self.below(256), "metadata_compression": 0,
            }),
            2 => json!({
                "kind": "mastering_display",
                "primaries": (self.below(2) == 0)
                    .then(|| (0..4).map(|_| [ratio(self), ratio(self)]).collect::<Vec<_>>()),
                "luminance": [ratio(self), ratio(self)],
            }),
            3 => json!({ "kind": "content_light", "max_content": small(self), "max_average": small(self) }),
            4 => json!({
                "kind": "ambient_viewing",
                "illuminance": ratio(self), "light_x": ratio(self), "light_y": ratio(self),
            }),
            5 => json!({
                "kind": "coded_picture_buffer", "max_bit_rate": small(self), "min_bit_rate": -small(self),
                "average_bit_rate": 0, "buffer_size": i64::MIN, "vbv_delay": self.integer(),
            }),
            6 => json!({
                "kind": "cropping", "top": small(self), "bottom": 0, "left": small(self), "right": u32::MAX,
            }),
            _ => json!({ "kind": "other", "name": self.text() }),
        }
    }
}

/// The deserializer of one value. `field` is the name of the field that contains the value.
struct Draw<'n> {
    numbers: &'n mut Numbers,
    field: &'static str,
}

/// Formats what a visitor expects, as the visitor describes it.
struct Expected<'v, V>(&'v V);

impl<'de, V: Visitor<'de>> Display for Expected<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let bytes = self.numbers.integer().to_le_bytes();
            let low = bytes[..size_of::<$type>()].try_into().expect("both have this length");
            visitor.$visit(<$type>::from_le_bytes(low))
        })*
    };
}

impl<'de> Deserializer<'de> for Draw<'_> {
    type Error = Error;

    forward_to_deserialize_any! { bytes byte_buf char i128 u128 identifier ignored_any }

    integers! {
        deserialize_u8 visit_u8 u8   deserialize_u16 visit_u16 u16   deserialize_u32 visit_u32 u32
        deserialize_u64 visit_u64 u64   deserialize_i8 visit_i8 i8   deserialize_i16 visit_i16 i16
        deserialize_i32 visit_i32 i32   deserialize_i64 visit_i64 i64
    }

    /// Draws for a visitor that does not request a type.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let expected = Expected(&visitor).to_string();
        let value = match expected.as_str() {
            forms if forms.starts_with("a time such as") => return visitor.visit_string(self.numbers.time()),
            "any value" => self.numbers.flattened(self.field),
            "internally tagged enum SideData" => self.numbers.side_data(),
            other => return Err(de::Error::custom(format_args!("unknown: {other}"))),
        };
        value.deserialize_any(visitor).map_err(de::Error::custom)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.numbers.below(2) == 0)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64(self.numbers.number())
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let bits = u32::try_from(self.numbers.below(0x7f00_0000)).expect("it has 31 bits");
        visitor.visit_f32(f32::from_bits(bits))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.numbers.text())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.numbers.below(3) == 0 { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let left = self.numbers.below(4);
        visitor.visit_seq(Items { numbers: self.numbers, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Items { numbers: self.numbers, left: length as u64 })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(length, visitor)
    }

    /// Draws a map of texts, or a type with a flattened field.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let expected = Expected(&visitor).to_string();
        let Some(name) = expected.strip_prefix("struct ") else {
            let left = self.numbers.below(4);
            return visitor.visit_map(Pairs { numbers: self.numbers, left });
        };
        let fields = super::flattened_fields(name);
        visitor.visit_map(Fields { numbers: self.numbers, fields: fields.iter(), field: "" })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Fields { numbers: self.numbers, fields: fields.iter(), field: "" })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let variant = self.numbers.one_of(variants);
        visitor.visit_enum(Variant { draw: self, variant })
    }
}

/// Draws the remaining `left` values.
struct Items<'n> {
    numbers: &'n mut Numbers,
    left: u64,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Draw { numbers: self.numbers, field: "" }).map(Some)
    }
}

/// Draws the remaining `left` pairs of a key and a value.
struct Pairs<'n> {
    numbers: &'n mut Numbers,
    left: u64,
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Draw { numbers: self.numbers, field: "" }).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(Draw { numbers: self.numbers, field: "" })
    }
}

/// Draws each field of a struct once.
struct Fields<'n> {
    numbers: &'n mut Numbers,
    fields: std::slice::Iter<'static, &'static str>,
    field: &'static str,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(field) = self.fields.next().copied() else { return Ok(None) };
        self.field = field;
        seed.deserialize(field.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(Draw { numbers: self.numbers, field: self.field })
    }
}

/// Draws the variant of this name, with its content.
struct Variant<'n> {
    draw: Draw<'n>,
    variant: &'static str,
}

impl<'de, 'n> EnumAccess<'de> for Variant<'n> {
    type Error = Error;
    type Variant = Draw<'n>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Draw<'n>), Error> {
        let variant: de::value::StrDeserializer<'_, Error> = self.variant.into_deserializer();
        Ok((seed.deserialize(variant)?, self.draw))
    }
}

impl<'de> VariantAccess<'de> for Draw<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_struct("", fields, visitor)
    }
}
