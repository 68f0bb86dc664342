//! Of answers that are held because there are too many of them. The marker stands in all that an agent may answer.

use crate::understand::MARKER;

/// To the agent.
pub(in crate::send) fn asked(why: &str, confirm: &str, drop: &str) -> String {
    format!(
        "Nothing more of yours is sent to customers for now: there are more answers than one person writes within an hour.\n\n\
         \x20 {why}\n\n\
         This answer is held, and so is each further one. You get no other mail about them. Notes and commands go on as usual.\n\n\
         If all of them are yours, write to this address. Then all that is held is sent, in its order, and nothing is held for the\n\
         next hour:\n{confirm}\n\n\
         If you have not written them, somebody else uses your mailbox. Do not write to that address. Change the password of your\n\
         mailbox and tell an admin at once; they have been told that your answers are held. A mail to this address drops all that\n\
         is held:\n{drop}\n\n{MARKER}\n"
    )
}

/// To an admin.
pub(in crate::send) fn told(name: &str, address: &str, why: &str) -> String {
    format!(
        "All further answers of {name} <{address}> are held: there are more than one person writes within an hour, so somebody else\n\
         may be using this mailbox. What {name} was told:\n\n\
         \x20 {why}\n\n\
         A mail has asked {name} whether they are theirs. A word from that mailbox sends all of them and lifts this for an hour.\n\n\
         If the mailbox is in strange hands, `ombud agent disable {address}` ends all it may do, this word included.\n\
         `ombud inbox list --state held` shows what is held, `ombud inbox release ID` sends one of them, `ombud inbox drop ID` drops\n\
         one. `ombud inbox release --braked {address}` and `ombud inbox drop --braked {address}` do it with all.\n\n{MARKER}\n"
    )
}

/// To an admin, when a word from the agent's mailbox has ended it.
pub(in crate::send) fn ended(name: &str, address: &str, done: &str) -> String {
    format!(
        "A word from the mailbox of {name} <{address}> about the answers that were held for being too many:\n\n\
         \x20 {done}.\n\n\
         If {name} did not say it, the mailbox is in strange hands: `ombud agent disable {address}` ends all it may do.\n\n{MARKER}\n"
    )
}
