//! How the testbed's brokers are set up: as small and as private as a broker can be.

/// What a broker has beyond AMQP.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Features {
    /// The management plugin without its statistics: the HTTP interface by which vhosts are made
    /// and removed within milliseconds, where `rabbitmqctl` takes seconds of CPU time.
    pub management: bool,
}

impl Features {
    /// Text for `rabbitmq.conf`, without listeners.
    pub(super) fn conf(self) -> String {
        // Private brokers have the default account; theirs is not the network. A small disk must
        // not raise an alarm, and a busy machine must not end a boot.
        let mut conf = String::from(
            "loopback_users = none\n\
             disk_free_limit.absolute = 10MB\n\
             log.file.level = info\n",
        );
        if self.management {
            conf += "management_agent.disable_metrics_collector = true\n\
                     collect_statistics_interval = 60000\n";
        }
        conf
    }

    /// The broker's plugin list, an Erlang term.
    pub(super) fn plugins(self) -> &'static str {
        if self.management { "[rabbitmq_management].\n" } else { "[].\n" }
    }
}
