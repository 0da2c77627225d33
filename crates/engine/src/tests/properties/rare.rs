//! A script of what random ones seldom come across.

use super::steps::{Command, Completion, LAST, Report, Start, Step, Word};

pub(super) const START: Start =
    Start { run_timeout: 300, delay: 0, retries: false, cron: false, eager: false, conflict: 0, memo: false };

const ABANDON: i32 = 2;

pub(super) fn script() -> Vec<Step> {
    let deliver = |lost| Step::Deliver { which: 0, lost };
    let child = |which| Command::Child { which, policy: ABANDON };
    let activity = Command::Activity { attempts: 1, eager: false };
    let ends = |which| Step::Other { which, end: Some(Command::Complete) };
    let mut script = vec![
        commands(vec![child(0), child(1), activity.clone(), activity]),
        Step::RaiseLevel,
        Step::Pause,
        Step::Unpause,
        deliver(true),
        deliver(false),
        deliver(false),
        // One that fails, one that takes too long.
        Step::Activity(Report::Fail),
        Step::PollActivity,
        Step::Advance(20),
        // Two questions that are answered, and the same ones again after a reset to before their answers.
        Step::Complete(Completion {
            force: true,
            ..completion(vec![Command::SignalOther(0), Command::CancelOther(1)])
        }),
        Step::Poll,
        Step::Reset(LAST),
    ];
    script.extend([deliver(false), deliver(false), deliver(false), deliver(false), deliver(true), deliver(false)]);
    // The new run goes on: the child that it shares with the old one ends.
    script.extend([commands(vec![]), ends(0), deliver(false), deliver(false), ends(0), deliver(false)]);
    script.extend([
        Step::Update(0),
        Step::Complete(Completion { words: vec![(Word::Accept, 1), (Word::Respond, 1)], ..completion(vec![]) }),
        // An update that is taken over, and one that is reapplied.
        Step::Update(1),
        Step::Complete(Completion { words: vec![(Word::Accept, 1)], ..completion(vec![]) }),
        Step::Signal,
        Step::Poll,
        Step::Reset(LAST),
        Step::Reset(0),
        Step::Advance(299),
        Step::Advance(20),
        Step::Signal,
    ]);
    script
}

fn completion(commands: Vec<Command>) -> Completion {
    Completion { commands, end: None, words: Vec::new(), sticky: false, force: false, inline: false }
}

fn commands(commands: Vec<Command>) -> Step {
    Step::Complete(completion(commands))
}
