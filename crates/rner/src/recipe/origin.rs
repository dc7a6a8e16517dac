//! Where the values of a recipe come from.

/// The profile of a recipe, and the keys that somebody chose one by one.
///
/// It is no part of what a recipe says: recipes with the same values are equal, whoever chose them.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Name or path of the profile.
    pub profile: String,
    chosen: Vec<String>,
}

impl Origin {
    /// The values of a profile.
    pub(super) fn of(profile: &str) -> Self {
        Self {
            profile: profile.to_owned(),
            chosen: Vec::new(),
        }
    }

    /// Notes that the value of a key, such as `model.prompt`, was chosen by itself.
    pub(super) fn choose(&mut self, key: &str) {
        self.chosen.push(key.to_owned());
    }

    /// Whether it was: such a value is meant, while those of a profile are what usually fits.
    pub fn is_chosen(&self, key: &str) -> bool {
        self.chosen.iter().any(|chosen| chosen == key)
    }
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
