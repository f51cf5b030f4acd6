//! What a client speaks over: one server, or the nodes of a Cluster.

use redis::{
    Cmd, Pipeline, RedisError, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
    cluster_async::ClusterConnection,
    cluster_routing::{RoutingInfo, SingleNodeRoutingInfo},
};

use crate::reply::{list, text};

/// Clones share it.
#[derive(Clone)]
pub(crate) enum Connection {
    /// The one server.
    Server {
        server: MultiplexedConnection,
        /// The Sentinel that tells of another master, for as long as this is here.
        _told_by: Option<MultiplexedConnection>,
    },
    /// Whichever node keeps the keys.
    Cluster {
        nodes: ClusterConnection,
        /// The host of the node that was asked first: what nodes are called that do not say their own.
        host: String,
    },
}

/// Who is asked something that has no keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// The one server.
    Server,
    /// A master of a Cluster.
    Master { host: String, port: u16 },
}

impl Connection {
    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster { .. })
    }

    /// Runs a command that names its keys, where they are.
    pub(crate) async fn call(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        match self {
            Self::Server { server, .. } => command.query_async(server).await,
            Self::Cluster { nodes, .. } => command.query_async(nodes).await,
        }
    }

    /// Runs two commands where the keys of the first one are, one right behind the other on one connection.
    pub(crate) async fn call_both(&mut self, first: &Cmd, second: &Cmd) -> Result<Vec<Value>, RedisError> {
        let mut both = Pipeline::with_capacity(2);
        both.add_command(first.clone()).add_command(second.clone());
        match self {
            Self::Server { server, .. } => server.req_packed_commands(&both, 0, 2).await,
            Self::Cluster { nodes, .. } => nodes.req_packed_commands(&both, 0, 2).await,
        }
    }

    /// Runs a command on this node, or nowhere.
    pub(crate) async fn ask(&mut self, node: &Node, command: &Cmd) -> Result<Value, RedisError> {
        match (self, node) {
            (Self::Cluster { nodes, .. }, Node::Master { host, port }) => {
                let there = SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port };
                nodes.route_command(command.clone(), RoutingInfo::SingleNode(there)).await?.extract_error()
            }
            (connection, _) => connection.call(command).await,
        }
    }

    /// Hears a channel. On a Cluster any node will do, for each of them has all messages.
    pub(crate) async fn subscribe(&mut self, channel: &str) -> Result<(), RedisError> {
        match self {
            Self::Server { server, .. } => server.subscribe(channel).await,
            Self::Cluster { nodes, .. } => nodes.subscribe(channel).await,
        }
    }

    /// All that keep keys.
    pub(crate) async fn masters(&mut self) -> Result<Vec<Node>, RedisError> {
        let Self::Cluster { host, .. } = self else { return Ok(vec![Node::Server]) };
        let host = host.clone();
        let slots = self.call(&slots()).await?;
        let mut masters = Vec::new();
        for master in list(&slots).unwrap_or_default().iter().filter_map(|range| master_of(range, &host)) {
            if !masters.contains(&master) {
                masters.push(master);
            }
        }
        Ok(masters)
    }
}

/// The question which node keeps what.
pub(crate) fn slots() -> Cmd {
    let mut slots = redis::cmd("CLUSTER");
    slots.arg("SLOTS");
    slots
}

/// Who keeps one range of the answer to CLUSTER SLOTS. A node that does not say its host is on that of the node that answered.
fn master_of(range: &Value, host_if_unsaid: &str) -> Option<Node> {
    let [_first, _last, master, ..] = list(range)? else { return None };
    let [host, Value::Int(port), ..] = list(master)? else { return None };
    let host = text(host).filter(|host| !host.is_empty()).unwrap_or(host_if_unsaid).to_owned();
    Some(Node::Master { host, port: u16::try_from(*port).ok()? })
}
