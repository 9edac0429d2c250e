//! What people, clocks and networks do to the world, whatever the operator is doing.

use chrono::TimeDelta;

/// Something that happens.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Happening {
    /// Nobody at Graph answers for three hours.
    GraphDown,
    /// Nobody at the token endpoint answers for three hours.
    LoginDown,
    /// The API server refuses connections for three hours.
    ClusterDown,
    /// The API server takes connections for an hour, and never answers.
    ClusterSilent,
    /// Graph throttles everything for twenty minutes.
    Storm,
    /// The watches of the API server break, and what happened meanwhile is forgotten.
    WatchesCut,
    /// Somebody deletes the output.
    OutputDeleted,
    /// Somebody edits the output.
    OutputEdited,
    /// Somebody deletes every staging Secret.
    SlotsDeleted,
    /// Somebody deletes every Secret of the resource.
    SecretsDeleted,
    /// A person adds a certificate and a secret of their own in the portal.
    StrangerAdds,
    /// A person removes one of theirs in the portal.
    StrangerRemoves,
    /// A person removes what is published in the portal.
    OursRemoved,
    /// A person removes what is to be published next in the portal.
    NextRemoved,
    /// A person has another certificate sign, if anything is signed here.
    AnotherSigns,
    /// The operator's clock is five minutes ahead for two hours.
    ClockAhead,
    /// The operator's clock is five minutes behind for two hours.
    ClockBehind,
    /// The operator's clock is a day ahead for two hours.
    ClockDayAhead,
    /// Somebody asks for a new credential.
    Renewed,
    /// Somebody suspends the resource for an hour.
    Suspended,
    /// The status is as it was at the beginning of the course: a backup was restored.
    StatusRestored,
    /// The grant on the EntraTenant is taken back for an hour.
    GrantWithdrawn,
    /// A newer version of the operator has worked on the resource, and is taken back after an hour.
    Upgraded,
    /// A newer version of the same protocol has worked on the resource: the status says more than this one knows.
    SaysMore,
}

impl Happening {
    /// Everything that may happen.
    pub const ALL: [Self; 24] = [
        Self::GraphDown,
        Self::LoginDown,
        Self::ClusterDown,
        Self::ClusterSilent,
        Self::Storm,
        Self::WatchesCut,
        Self::OutputDeleted,
        Self::OutputEdited,
        Self::SlotsDeleted,
        Self::SecretsDeleted,
        Self::StrangerAdds,
        Self::StrangerRemoves,
        Self::OursRemoved,
        Self::NextRemoved,
        Self::AnotherSigns,
        Self::ClockAhead,
        Self::ClockBehind,
        Self::ClockDayAhead,
        Self::Renewed,
        Self::Suspended,
        Self::StatusRestored,
        Self::GrantWithdrawn,
        Self::Upgraded,
        Self::SaysMore,
    ];

    /// How a plan names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::GraphDown => "graph-down",
            Self::LoginDown => "login-down",
            Self::ClusterDown => "cluster-down",
            Self::ClusterSilent => "cluster-silent",
            Self::Storm => "storm",
            Self::WatchesCut => "watches-cut",
            Self::OutputDeleted => "output-deleted",
            Self::OutputEdited => "output-edited",
            Self::SlotsDeleted => "slots-deleted",
            Self::SecretsDeleted => "secrets-deleted",
            Self::StrangerAdds => "stranger-adds",
            Self::StrangerRemoves => "stranger-removes",
            Self::OursRemoved => "ours-removed",
            Self::NextRemoved => "next-removed",
            Self::AnotherSigns => "another-signs",
            Self::ClockAhead => "clock-ahead",
            Self::ClockBehind => "clock-behind",
            Self::ClockDayAhead => "clock-day-ahead",
            Self::Renewed => "renewed",
            Self::Suspended => "suspended",
            Self::StatusRestored => "status-restored",
            Self::GrantWithdrawn => "grant-withdrawn",
            Self::Upgraded => "upgraded",
            Self::SaysMore => "says-more",
        }
    }

    /// Whether it takes away what is published, so that nobody could keep the first promise: until it is published anew, that is excused.
    pub(crate) fn excuses_a_gap(self) -> bool {
        matches!(self, Self::OursRemoved | Self::AnotherSigns)
    }

    /// How long it lasts.
    pub(crate) fn lasts(self) -> TimeDelta {
        match self {
            Self::GraphDown | Self::LoginDown | Self::ClusterDown => TimeDelta::hours(3),
            Self::ClusterSilent | Self::Suspended | Self::GrantWithdrawn | Self::Upgraded => TimeDelta::hours(1),
            Self::ClockAhead | Self::ClockBehind | Self::ClockDayAhead => TimeDelta::hours(2),
            Self::Storm => TimeDelta::minutes(20),
            _ => TimeDelta::zero(),
        }
    }
}
