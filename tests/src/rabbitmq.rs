//! A real RabbitMQ: found, installed if need be, started and told what to do.
//!
//! Which broker is a [`Wish`]; [`find()`] turns it into a [`Source`], in the contract's order: the
//! broker that `AMQP_URL` names, an installed `rabbitmq-server`, a Docker engine that answers, and
//! last the system's package manager. [`Broker`] runs one that is ours alone: own node name, free
//! ports on loopback, all data in a temporary folder. Nothing here touches a broker that was
//! running before.

mod broker;
mod cluster;
mod conf;
mod control;
mod docker;
mod find;
mod installation;
mod meeting;
mod packages;
mod process;
mod shared;
mod suite;

pub use broker::{Broker, Features};
pub use cluster::Cluster;
pub use control::Address;
pub use find::{AMQP_URL, BROKER_VARIABLE, Source, Wish, find};
pub use installation::Installation;
pub use shared::{SHARED_VARIABLE, Shared};
