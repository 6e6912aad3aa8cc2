//! Commands that wait for their replies.

/// Commands without their replies, oldest first. Almost always there is one at most: the others need no memory.
#[derive(Clone, Debug)]
pub(super) struct Outstanding<Command> {
    first: Option<Command>,
    others: Box<[Command]>,
}

impl<Command> Default for Outstanding<Command> {
    fn default() -> Self {
        Self { first: None, others: Box::default() }
    }
}

impl<Command: Copy> Outstanding<Command> {
    pub(super) fn first(&self) -> Option<Command> {
        self.first
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    pub(super) fn push(&mut self, command: Command) {
        match self.first {
            None => self.first = Some(command),
            Some(_) => self.others = self.others.iter().copied().chain([command]).collect(),
        }
    }

    pub(super) fn pop(&mut self) {
        self.first = self.others.first().copied();
        self.others = self.others.iter().copied().skip(1).collect();
    }
}
