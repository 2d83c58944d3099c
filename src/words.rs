//! Words of settings: one place for what flags, keywords, reports and messages call a value.

/// Gives an enum its words: `ALL`, `word`, `Display`, and `FromStr` whose refusal names the setting and lists the words. With `serde` reports
/// have the same words.
macro_rules! words {
    ($name:ident as $setting:literal { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $name {
            /// Every value, in the order of messages.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word of flags, keywords and reports.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::error::Error;

            fn from_str(text: &str) -> crate::error::Result<Self> {
                let known = Self::ALL.iter().find(|value| value.word() == text).copied();
                known.ok_or_else(|| {
                    let allowed = [$($word),+].join(", ");
                    crate::error::Error::invalid($setting, format!("'{text}'"), allowed, "pick one of them")
                })
            }
        }
    };
    ($name:ident as $setting:literal, serde { $($variant:ident => $word:literal),+ $(,)? }) => {
        words!($name as $setting { $($variant => $word),+ });

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::methods::StepRule;
    use crate::operators::{Layout, Storage};
    use crate::solver::{InitStd, OnDeviceLoss, Preprocess};
    use crate::{Error, Precision};

    #[test]
    fn words_are_read_and_refused_by_the_name_of_their_setting() {
        macro_rules! check {
            ($($type:ty, $name:literal);+) => {$(
                for value in <$type>::ALL {
                    assert_eq!(value.word().parse::<$type>().unwrap(), *value);
                }
                let Error::Invalid { name, found, allowed, .. } = "x".parse::<$type>().unwrap_err() else { panic!() };
                assert_eq!((name.as_str(), found.as_str()), ($name, "'x'"));
                assert!(<$type>::ALL.iter().all(|value| allowed.contains(value.word())), "{allowed}");
            )+};
        }
        check!(
            Precision, "precision"; Storage, "storage"; Layout, "layout"; StepRule, "step_rule"; Preprocess, "init_preprocess";
            InitStd, "init_std"; OnDeviceLoss, "on_device_loss"
        );
    }

    #[test]
    fn reports_have_the_same_words() {
        let json = |precision: Precision| serde_json::to_string(&precision).unwrap();
        assert_eq!(json(Precision::Mixed), "\"mixed\"");
        assert_eq!(serde_json::from_str::<Storage>("\"f16\"").unwrap(), Storage::F16);
        let refused = serde_json::from_str::<Storage>("\"f8\"").unwrap_err().to_string();
        assert!(["f16", "f32", "f64"].iter().all(|word| refused.contains(word)), "{refused}");
    }
}
