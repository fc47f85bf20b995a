//! Who somebody is, until when, and what they may: [`Identity`], [`Rights`] and [`Patterns`].
//!
//! Not here: how that is found out (`basic.rs`), where rights are applied (`app/router.rs`).

use std::fmt;
use std::sync::{Arc, LazyLock};

/// Who a session belongs to. Cheap to clone, and small, because every session has one.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity(Person);

#[derive(Clone, PartialEq, Eq)]
enum Person {
    /// Good for ever, with all rights.
    Plain(Arc<str>),
    Bounded(Arc<Bounded>),
}

/// Somebody who is not known for ever, or may not do everything.
#[derive(Clone, PartialEq, Eq)]
struct Bounded {
    user: Arc<str>,
    expires_unix_ms: Option<u64>,
    /// `None` for all.
    rights: Option<Box<Rights>>,
}

/// Those of everybody who has no others.
static ALL_RIGHTS: Rights = Rights { channels: Vec::new(), publish: Patterns(None), subscribe: Patterns(None) };
/// The one that all share where nobody is asked.
static ANONYMOUS: LazyLock<Identity> = LazyLock::new(|| Identity::new("anonymous"));

impl Identity {
    /// The identity with this user id, good for ever, with all rights. A host must keep the id within
    /// [`crate::limits::USER_ID_BYTES`].
    pub fn new(user: impl Into<Box<str>>) -> Identity {
        Identity(Person::Plain(user.into().into()))
    }

    /// Where nobody is asked who they are.
    pub fn anonymous() -> Identity {
        ANONYMOUS.clone()
    }

    /// The same, good until this moment (milliseconds since 1970 UTC): then the session is closed with 4401.
    pub fn expiring(self, unix_ms: u64) -> Identity {
        self.bounded(|bounded| bounded.expires_unix_ms = Some(unix_ms))
    }

    /// The same with these rights.
    pub fn with_rights(self, rights: Rights) -> Identity {
        self.bounded(|bounded| bounded.rights = (rights != ALL_RIGHTS).then(|| Box::new(rights)))
    }

    fn bounded(self, bound: impl FnOnce(&mut Bounded)) -> Identity {
        let mut bounded = match self.0 {
            Person::Plain(user) => Bounded { user, expires_unix_ms: None, rights: None },
            Person::Bounded(bounded) => Arc::unwrap_or_clone(bounded),
        };
        bound(&mut bounded);
        match bounded {
            Bounded { user, expires_unix_ms: None, rights: None } => Identity(Person::Plain(user)),
            bounded => Identity(Person::Bounded(Arc::new(bounded))),
        }
    }

    /// Until when it is good, in milliseconds since 1970 UTC; `None` for ever.
    pub fn expires_unix_ms(&self) -> Option<u64> {
        match &self.0 {
            Person::Plain(_) => None,
            Person::Bounded(bounded) => bounded.expires_unix_ms,
        }
    }

    /// The user id.
    pub fn user(&self) -> &str {
        match &self.0 {
            Person::Plain(user) => user,
            Person::Bounded(bounded) => &bounded.user,
        }
    }

    /// What it may.
    pub fn rights(&self) -> &Rights {
        match &self.0 {
            Person::Plain(_) => &ALL_RIGHTS,
            Person::Bounded(bounded) => bounded.rights.as_deref().unwrap_or(&ALL_RIGHTS),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Identity");
        shown.field("user", &self.user()).field("expires_unix_ms", &self.expires_unix_ms());
        if self.rights() != &ALL_RIGHTS {
            shown.field("rights", self.rights());
        }
        shown.finish()
    }
}

/// What an identity may do. The default is everything, and no channel of its own. It is for the host to apply, as
/// [`crate::app::Router`] does: the engine carries it, and asks nobody's rights when the host subscribes or publishes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    /// Channels it is subscribed to when it comes in, whatever `subscribe` says.
    pub channels: Vec<String>,
    /// Channels it may publish to.
    pub publish: Patterns,
    /// Channels it may subscribe to.
    pub subscribe: Patterns,
}

impl Rights {
    /// Whether it may be subscribed to this channel.
    pub fn may_subscribe(&self, channel: &str) -> bool {
        self.subscribe.allow(channel) || self.channels.iter().any(|own| own == channel)
    }

    /// Whether it may publish to this channel, or, with `None`, to everyone.
    pub fn may_publish(&self, channel: Option<&str>) -> bool {
        match channel {
            Some(channel) => self.publish.allow(channel),
            None => self.publish.allow_all(),
        }
    }
}

/// Names of channels, in which `*` stands for any characters, none among them. The default allows every name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patterns(Option<Vec<String>>);

impl Patterns {
    /// Only what one of these fits.
    pub fn only(patterns: Vec<String>) -> Patterns {
        Patterns(Some(patterns))
    }

    /// Whether this name fits.
    pub fn allow(&self, name: &str) -> bool {
        match &self.0 {
            None => true,
            Some(patterns) => patterns.iter().any(|pattern| fits(pattern, name)),
        }
    }

    /// Whether every name fits.
    pub fn allow_all(&self) -> bool {
        match &self.0 {
            None => true,
            Some(patterns) => {
                patterns.iter().any(|pattern| !pattern.is_empty() && pattern.bytes().all(|byte| byte == b'*'))
            }
        }
    }
}

/// Each part between two stars is sought behind the one before it, the first at the start and the last at the end: so
/// the work is bounded by the lengths of both, however many stars there are.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return name.ends_with(part);
        }
        let Some((_, behind)) = name.split_once(part) else { return false };
        name = behind;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, fitting, others) in [
            ("news", &["news"][..], &["new", "newss", "", "News"][..]),
            ("", &[""], &["a"]),
            ("*", &["", "a", "a.b", "*"], &[]),
            ("**", &["", "a"], &[]),
            ("room.*", &["room.", "room.1", "room.1.2"], &["room", "rooms.1", "a room.1"]),
            ("*.public", &[".public", "a.public"], &["a.public.", "public"]),
            ("a*b*c", &["abc", "axbxc", "abbc", "abcbc"], &["ac", "acb", "abcd", "xabc"]),
            ("a*a", &["aa", "aba"], &["a", "ab"]),
            ("*b*", &["b", "abc"], &["", "ac"]),
            ("é*", &["é", "éa"], &["e", "\u{301}"]),
        ] {
            let patterns = Patterns::only(vec!["never".into(), pattern.into()]);
            for name in fitting {
                assert!(patterns.allow(name), "{pattern:?} {name:?}");
            }
            for name in others {
                assert!(!patterns.allow(name), "{pattern:?} {name:?}");
            }
        }
    }

    #[test]
    fn many_stars_cost_no_more_than_the_name_is_long() {
        // A matcher that goes back would take 2^60 steps.
        assert!(!fits(&"a*".repeat(60), &format!("{}b", "a".repeat(59))));
        assert!(fits(&"a*".repeat(60), &"a".repeat(60)));
    }

    #[test]
    fn only_a_star_alone_allows_all() {
        assert!(Patterns::default().allow_all());
        for (patterns, all) in
            [(&["*"][..], true), (&["a", "**"], true), (&["a*"], false), (&[""], false), (&[], false)]
        {
            let patterns = Patterns::only(patterns.iter().map(ToString::to_string).collect());
            assert_eq!(patterns.allow_all(), all, "{patterns:?}");
        }
    }

    #[test]
    fn who_has_no_rights_set_may_all_and_a_list_names_what_one_may() {
        let all = Rights::default();
        assert!(all.may_subscribe("x") && all.may_publish(Some("x")) && all.may_publish(None));
        let some = Rights {
            channels: vec!["own".into()],
            publish: Patterns::only(vec!["out".into()]),
            subscribe: Patterns::only(vec!["in.*".into()]),
        };
        assert!(some.may_subscribe("own") && some.may_subscribe("in.1") && !some.may_subscribe("out"));
        assert!(some.may_publish(Some("out")) && !some.may_publish(Some("own")) && !some.may_publish(None));
    }

    #[test]
    fn an_identity_takes_three_words_of_a_session_at_most() {
        assert!(size_of::<Identity>() <= 3 * size_of::<usize>(), "{}", size_of::<Identity>());
    }

    #[test]
    fn bounds_are_kept_beside_each_other_and_none_is_none() {
        let some = Rights { channels: vec!["own".into()], ..Rights::default() };
        let plain = Identity::new("a");
        let bounded = plain.clone().with_rights(some.clone()).expiring(7);
        assert_eq!((bounded.user(), bounded.expires_unix_ms(), bounded.rights()), ("a", Some(7), &some));
        assert_eq!(bounded, plain.clone().expiring(7).with_rights(some));
        assert_eq!((plain.expires_unix_ms(), plain.rights()), (None, &Rights::default()));
        assert_eq!(plain.clone().with_rights(Rights::default()), plain, "all rights are no bound");
    }
}
