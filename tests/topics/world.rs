//! What the callbacks keep.

use std::collections::{HashMap, VecDeque};

use keirin::Published;

use crate::model::Model;
use crate::script::Op;

#[derive(Default)]
pub(crate) struct World {
    /// For the next messages of these sockets.
    pub(crate) scripts: VecDeque<(usize, Vec<Op>)>,
    /// For the next event of the kind at the socket.
    pub(crate) at: HashMap<(&'static str, usize), Vec<Op>>,
    pub(crate) log: Vec<String>,
    /// What calls to publish have said, in order.
    pub(crate) published: Vec<Published>,
    pub(crate) model: Model,
}
