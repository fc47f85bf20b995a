//! An authenticator that answers nothing at once: its questions wait until the test resolves them.
//!
//! Not here: the daemon's authenticator (`methods` in `mod.rs`).

use std::cell::RefCell;
use std::rc::Rc;

use barewire::auth::{Attempt, Authenticate, Decision, Identity, Proof, Ticket, Verdict};

use super::World;

/// See the module. A clone is the same authenticator.
#[derive(Debug, Clone, Default)]
pub struct Pending(Rc<RefCell<Vec<(Ticket, String)>>>);

impl Pending {
    /// The oldest question that was not taken yet, and what it is about.
    pub fn take(&self) -> (Ticket, String) {
        assert!(!self.is_empty(), "nobody was asked");
        self.0.borrow_mut().remove(0)
    }

    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Answers the oldest question.
    pub fn resolve(&self, world: &mut World, verdict: Verdict) -> Ticket {
        let (ticket, _) = self.take();
        world.resolve(ticket, verdict);
        ticket
    }

    /// Answers the oldest question: it is this user.
    pub fn accept(&self, world: &mut World, user: &str) -> Ticket {
        self.resolve(world, Verdict::Accept(Identity::new(user)))
    }
}

impl Authenticate for Pending {
    fn begin(&mut self, attempt: &Attempt<'_>, ticket: Ticket) -> Decision {
        let Attempt { proof, peer, secure, .. } = attempt;
        let about = match proof {
            Proof::Upgrade { head, origin, .. } => {
                format!(
                    "{} {} {} origin {origin:?} peer {peer} secure {secure}",
                    head.method(),
                    head.target(),
                    head.headers().count()
                )
            }
            Proof::Message { token } => format!("{token} peer {peer} secure {secure}"),
            _ => "something new".to_owned(),
        };
        self.0.borrow_mut().push((ticket, about));
        Decision::Later
    }
}
