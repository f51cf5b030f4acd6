//! A real Redis Cluster: masters that keep a share of the slots each.

use std::net::TcpListener;

use crate::probe::{READY_WITHIN, until, until_some};
use crate::redis_server::{RedisServer, free_port, major_version};

/// How many slots a Cluster has.
const SLOTS: usize = 16384;

/// A running Cluster on the loopback interface. A dead master has no replica unless one was added.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<ClusterNode>,
    options: Vec<String>,
}

/// One of its nodes.
#[derive(Debug)]
pub struct ClusterNode {
    /// The server.
    pub server: RedisServer,
    port: u16,
    bus_port: u16,
    id: String,
}

impl ClusterNode {
    fn start(options: &[String]) -> Self {
        let (port, bus_port) = free_ports();
        let (own, bus) = (port.to_string(), bus_port.to_string());
        // A node names the one port that the bus is configured for: with TLS no other is needed.
        let tls = options.iter().any(|option| option == "--tls-cluster");
        let clients = if tls { ["--port", "0", "--tls-port", &own] } else { ["--bind", "127.0.0.1", "--port", &own] };
        let mut all: Vec<&str> = clients.into_iter().chain(["--cluster-enabled", "yes"]).collect();
        if has_bus_port() {
            all.extend(["--cluster-port", &bus]);
        }
        all.extend(options.iter().map(String::as_str));
        let server = RedisServer::start_with(&all);
        let id = server.tell(&["CLUSTER", "MYID"]);
        Self { server, port, bus_port, id }
    }

    /// Its port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Whether it says of itself that it and the others are well, and how many it knows.
    fn is_well_among(&self, nodes: usize) -> bool {
        let info = self.server.ask(&["CLUSTER", "INFO"]).unwrap_or_default();
        let says = |line: &str| info.lines().any(|said| said.trim_end() == line);
        says("cluster_state:ok") && says("cluster_slots_ok:16384") && says(&format!("cluster_known_nodes:{nodes}"))
    }
}

impl RedisCluster {
    /// Starts so many masters; `options` are for each server. With `--tls-cluster yes` they speak TLS alone.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(masters: usize, options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let nodes: Vec<ClusterNode> = (0..masters).map(|_| ClusterNode::start(&options)).collect();
        for (at, node) in nodes.iter().enumerate() {
            node.server.tell(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]);
            let slots: Vec<String> =
                (at * SLOTS / masters..(at + 1) * SLOTS / masters).map(|slot| slot.to_string()).collect();
            let add = ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str));
            assert_eq!(node.server.tell(&add.collect::<Vec<_>>()), "OK");
        }
        let cluster = Self { nodes, options };
        cluster.nodes[1..].iter().for_each(|node| cluster.meet(node));
        cluster.until_ok();
        cluster
    }

    /// Adds a replica of this master, which has its data when this returns.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn add_replica_of(&mut self, master: usize) -> &ClusterNode {
        let replica = ClusterNode::start(&self.options);
        self.meet(&replica);
        let id = &self.nodes[master].id;
        until(READY_WITHIN, "the replica has met its master", || {
            replica.server.ask(&["CLUSTER", "REPLICATE", id]).is_ok_and(|said| said == "OK")
        });
        until(READY_WITHIN, "the replica has its master's data", || {
            replica.server.tell(&["INFO", "replication"]).contains("master_link_status:up")
        });
        self.nodes.push(replica);
        self.until_ok();
        &self.nodes[self.nodes.len() - 1]
    }

    fn meet(&self, node: &ClusterNode) {
        let (port, bus) = (node.port.to_string(), node.bus_port.to_string());
        assert_eq!(self.nodes[0].server.tell(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]), "OK");
    }

    /// Waits until every node finds the Cluster well.
    ///
    /// # Panics
    /// When they do not.
    pub fn until_ok(&self) {
        until(READY_WITHIN, "all nodes say cluster_state:ok", || {
            self.nodes.iter().all(|node| node.is_well_among(self.nodes.len()))
        });
    }

    /// Its nodes, the masters first.
    pub fn nodes(&self) -> &[ClusterNode] {
        &self.nodes
    }

    /// The server of one node: to kill it, to stop it, to have it go on.
    pub fn server(&mut self, node: usize) -> &mut RedisServer {
        &mut self.nodes[node].server
    }

    /// Its URL for talkstick. Of the seeds, the first one is not there.
    pub fn url(&self) -> String {
        let seeds: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+cluster://127.0.0.1:{},{}", free_port(), seeds.join(","))
    }

    /// The slot of a name.
    ///
    /// # Panics
    /// When no node answers.
    pub fn slot_of(&self, name: &str) -> u16 {
        let ask = |node: &ClusterNode| node.server.ask(&["CLUSTER", "KEYSLOT", name]).ok()?.parse().ok();
        self.nodes.iter().find_map(ask).expect("a node that says the slot")
    }

    /// Which of its nodes keeps a slot, as these nodes themselves say.
    ///
    /// # Panics
    /// When none of them does.
    pub fn keeper_of(&self, slot: u16) -> usize {
        until_some(READY_WITHIN, "a node keeps the slot", || {
            (0..self.nodes.len()).find(|at| {
                let nodes = self.nodes[*at].server.ask(&["CLUSTER", "NODES"]).unwrap_or_default();
                let own = nodes.lines().find(|line| line.contains("myself,master")).map(str::to_owned);
                own.is_some_and(|line| line.split(' ').skip(8).any(|range| holds(range, slot)))
            })
        })
    }

    /// Has a slot begin to move: who keeps it sends those who ask for keys that it has no more to `to`.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn begin_move(&self, slot: u16, to: usize) {
        let (from, number) = (self.keeper_of(slot), slot.to_string());
        let set = |at: usize, state: &str, other: usize| {
            let words = ["CLUSTER", "SETSLOT", &number, state, &self.nodes[other].id];
            assert_eq!(self.nodes[at].server.tell(&words), "OK");
        };
        set(to, "IMPORTING", from);
        set(from, "MIGRATING", to);
    }

    /// Carries all keys of a slot that has begun to move over; gives how many there were.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn carry(&self, slot: u16, to: usize) -> usize {
        let from = &self.nodes[self.keeper_of(slot)].server;
        let keys = from.tell(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "1000"]);
        let keys: Vec<&str> = keys.lines().filter(|key| !key.is_empty()).collect();
        if !keys.is_empty() {
            let port = self.nodes[to].port.to_string();
            let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            words.extend(&keys);
            assert_eq!(from.tell(&words), "OK");
        }
        keys.len()
    }

    /// Has who keeps a slot, with none of its keys, take `other` for its keeper, which goes on taking the first one for it: each
    /// sends callers to the other.
    ///
    /// # Panics
    /// When the node refuses.
    pub fn lead_in_a_circle(&self, slot: u16, other: usize) {
        self.assign(slot, self.keeper_of(slot), other);
    }

    /// Tells both that `keeper` keeps the slot.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn end_circle(&self, slot: u16, keeper: usize, other: usize) {
        [keeper, other].iter().for_each(|at| self.assign(slot, *at, keeper));
    }

    /// Tells the node `at` who keeps a slot.
    fn assign(&self, slot: u16, at: usize, keeper: usize) {
        let words = ["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &self.nodes[keeper].id];
        assert_eq!(self.nodes[at].server.tell(&words), "OK");
    }

    /// Ends the move: from now on `to` keeps the slot, and all masters are told.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn end_move(&self, slot: u16, to: usize) {
        let from = self.keeper_of(slot);
        // The new keeper first: the old one sends everybody there.
        [to, from].iter().for_each(|at| self.assign(slot, *at, to));
    }
}

/// Whether the port of the bus can be chosen; before Redis 7 it is always that of the node and 10000.
fn has_bus_port() -> bool {
    major_version() >= 7
}

/// A node's own port, and that of its bus.
fn free_ports() -> (u16, u16) {
    if has_bus_port() {
        return (free_port(), free_port());
    }
    loop {
        let port = free_port();
        if let Some(bus) = port.checked_add(10000)
            && TcpListener::bind(("127.0.0.1", bus)).is_ok()
        {
            return (port, bus);
        }
    }
}

/// Whether a part of a line of CLUSTER NODES, `12` or `12-40`, has this slot in it.
fn holds(range: &str, slot: u16) -> bool {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) => (first..=last).contains(&slot),
        _ => false,
    }
}
