//! What the engine keeps for those who stand around it: the schedule, who listens for news, and the
//! server that is to hear of an upgrade.

use super::engine::Engine;
use super::schedule::Kept;
use crate::api::{Notice, ReportState, Upgrade};
use crate::text::say;
use crate::upgrade::confirm;

impl Engine {
    /// Where the schedule was.
    pub fn schedule(&self) -> Option<&Kept> {
        self.remembered.schedule.as_ref()
    }

    /// Remembers where the schedule is.
    pub fn set_schedule(&mut self, kept: &Kept) {
        if *kept != self.remembered.schedule.clone().unwrap_or_default() {
            self.remembered.schedule = Some(kept.clone());
            self.save();
        }
    }

    /// The last upgrade, if its server is still to be told what came of it.
    pub fn report_due(&self) -> Option<&Upgrade> {
        let last = self.remembered.status.last_upgrade.as_ref()?;
        let waits = last.report.as_ref()?.state == ReportState::Waiting;
        waits.then_some(last)
    }

    /// Writes down what became of that.
    pub fn set_reported(&mut self, state: ReportState) {
        match confirm::reported(&self.paths, state) {
            Ok(last) => self.remembered.status.last_upgrade = last,
            Err(error) => say(&error),
        }
        self.save();
    }

    /// What the owner should know now. The same once more is no news.
    pub fn set_notice(&mut self, notice: Notice) {
        let former = &mut self.remembered.status.notice;
        let known = former
            .as_ref()
            .is_some_and(|former| former.kind == notice.kind && former.text == notice.text);
        if !known {
            *former = Some(notice);
            self.news = true;
            self.changed = true;
        }
    }

    /// What the owner should know, if it is another thing than at the last call.
    pub fn take_news(&mut self) -> Option<&Notice> {
        let news = std::mem::take(&mut self.news);
        self.remembered.status.notice.as_ref().filter(|_| news)
    }
}
