//! What whole-program tests stand on: a real RabbitMQ, receivers that misbehave on request, a TCP
//! proxy that breaks connections, and the built program itself.
//!
//! Everything here runs on loopback, waits for conditions and never for time, and takes with it
//! what it started: a dropped value ends its processes and removes its folders, and a test process
//! that is killed is cleaned up after by a guard ([`guard`]). Nothing is mocked.
//!
//! Not here: the tests (`tests/it`, one file per promise of the contract), and any crate of the
//! product. The program is only ever met from outside: AMQP, HTTP, files and signals.

pub mod amqp;
pub mod axe;
pub mod bom;
pub mod browser;
pub mod cache;
pub mod collector;
pub mod custom_resources;
pub mod debian;
pub mod docker;
pub mod eventually;
pub mod guard;
pub mod helm;
pub mod hostile;
pub mod kubernetes_validate;
pub mod linters;
pub mod loopback;
pub mod markdown;
pub mod memory;
pub mod name_server;
pub mod node;
pub mod page;
pub mod pip;
pub mod plain_server;
pub mod ports;
pub mod postgres;
pub mod program;
pub mod prometheus;
pub mod promql;
pub mod proxy;
pub mod rabbitmq;
pub mod raw;
pub mod receiver;
pub mod report;
pub mod sample;
pub mod schemathesis;
pub mod setup;
pub mod space;
pub mod workspace;

pub use eventually::eventually;
