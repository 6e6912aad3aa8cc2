//! The writer: facts in, durable rows out.
//!
//! A handshake's row names a chain, a chain's row names certificates. Each of those is written once, so its
//! loss could not be made good: therefore a part is closed only after the parts it refers to, and what a
//! durable row refers to is durable, whenever the process dies.

use serde::{Deserialize, Serialize};

use super::Result;
use super::checkpoint::Keeper;
use super::dataset::Dataset;
use super::parquet::{Limits, PartWriter};
use super::stored;
use crate::base::UtcMicros;
use crate::base::keyed::Key;
use crate::record::Fact;
use crate::record::checkpoint::Left;
use crate::record::fold::{Chains, New};
use crate::record::row::{Certificate, Chain, Connection, Handshake, Host};

/// Writes the facts of a run into its dataset.
pub struct Writer {
    known: Chains,
    hosts: PartWriter<Host>,
    handshakes: PartWriter<Handshake>,
    connections: PartWriter<Connection>,
    certificates: PartWriter<Certificate>,
    chains: PartWriter<Chain>,
    keeper: Option<Keeper>,
}

/// A number for each table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tables {
    /// Of `hosts`.
    pub hosts: u64,
    /// Of `handshakes`.
    pub handshakes: u64,
    /// Of `certificates`.
    pub certificates: u64,
    /// Of `chains`.
    pub chains: u64,
    /// Of `connections`.
    #[serde(default)]
    pub connections: u64,
}

/// What is in closed parts: durable and visible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: Tables,
    /// Parts, those without rows not counted.
    pub parts: Tables,
    /// What is left to do, if that was kept.
    pub left: Left,
    /// Lines, where lines are wanted instead of rows.
    pub lines: Option<u64>,
}

impl Writer {
    /// A writer of the dataset. `key` is a secret of the run, by which it knows certificates again.
    pub fn new(dataset: &Dataset, limits: Limits, key: Key) -> Self {
        Self {
            known: Chains::new(key),
            hosts: dataset.part_writer(limits),
            handshakes: dataset.part_writer(limits),
            connections: dataset.part_writer(limits),
            certificates: dataset.part_writer(limits),
            chains: dataset.part_writer(limits),
            keeper: None,
        }
    }

    /// Knows the certificates and chains that earlier runs of the dataset have written, so that none is written again.
    pub fn recall(&mut self, dataset: &Dataset) -> Result<()> {
        for part in stored::certificate_parts(dataset.root())? {
            stored::prints(&part, "sha256", |print| self.known.recall_certificate(&print))?;
        }
        for part in stored::chain_parts(dataset.root())? {
            stored::prints(&part, "chain_id", |print| self.known.recall_chain(&print))?;
        }
        Ok(())
    }

    /// Keeps the checkpoint of `dataset` too, from what each lane has to do at the begin.
    pub fn keep_checkpoint(&mut self, dataset: &Dataset, lanes: Vec<Left>) -> Result<()> {
        self.keeper = Some(Keeper::begin(dataset.root(), dataset.run(), lanes)?);
        Ok(())
    }

    /// Writes a fact; closes the parts that are due.
    ///
    /// After an error the rows of the open parts are lost, closed parts are whole: stop the run.
    pub fn write(&mut self, fact: Fact, now: UtcMicros) -> Result<()> {
        match fact {
            Fact::Host(host) => self.hosts.write(&host, now)?,
            // Not asked for where rows are wanted; a row is what this is the place for.
            Fact::Answer(answer) => self.hosts.write(&answer.row(), now)?,
            Fact::Handshake(mut handshake, ders) => {
                let new = self.known.fold(handshake.time, &ders);
                (handshake.chain_id, handshake.leaf_sha256) = (new.chain_id, new.leaf_sha256);
                self.presented(&new, now)?;
                self.handshakes.write(&handshake, now)?;
            }
            Fact::Checkpoint(checkpoint) => {
                let parts = (self.hosts.parts_when_closed(), self.handshakes.parts_when_closed());
                if let Some(keeper) = &mut self.keeper {
                    keeper.take(*checkpoint, parts);
                }
            }
        }
        self.tick(now)
    }

    /// Writes a connection that was watched, with the certificates that its server presented (DER, in its order); closes
    /// the parts that are due. After an error as [`write`](Self::write).
    pub fn write_connection(&mut self, mut connection: Connection, ders: &[Vec<u8>], now: UtcMicros) -> Result<()> {
        let new = self.known.fold(connection.time, ders);
        (connection.chain_id, connection.leaf_sha256) = (new.chain_id, new.leaf_sha256);
        self.presented(&new, now)?;
        self.connections.write(&connection, now)?;
        self.tick(now)
    }

    fn presented(&mut self, new: &New, now: UtcMicros) -> Result<()> {
        for certificate in &new.certificates {
            self.certificates.write(certificate, now)?;
        }
        new.chain.as_ref().map_or(Ok(()), |chain| self.chains.write(chain, now))
    }

    /// Closes the parts that are due. Call it about once a second when there are no facts.
    pub fn tick(&mut self, now: UtcMicros) -> Result<()> {
        if self.hosts.due(now) {
            self.hosts.close()?;
        }
        let (handshakes, connections) = (self.handshakes.due(now), self.connections.due(now));
        let chains = handshakes || connections || self.chains.due(now);
        if chains || self.certificates.due(now) {
            self.certificates.close()?;
        }
        if chains {
            self.chains.close()?;
        }
        if handshakes {
            self.handshakes.close()?;
        }
        if connections {
            self.connections.close()?;
        }
        self.settle()
    }

    /// Writes the checkpoint, if something new is durable.
    fn settle(&mut self) -> Result<()> {
        let (rows, parts) = (self.rows(), self.parts());
        self.keeper.as_mut().map_or(Ok(()), |keeper| keeper.settle(rows, parts))
    }

    fn rows(&self) -> Tables {
        Tables {
            hosts: self.hosts.rows(),
            handshakes: self.handshakes.rows(),
            connections: self.connections.rows(),
            certificates: self.certificates.rows(),
            chains: self.chains.rows(),
        }
    }

    fn parts(&self) -> Tables {
        Tables {
            hosts: self.hosts.parts().into(),
            handshakes: self.handshakes.parts().into(),
            connections: self.connections.parts().into(),
            certificates: self.certificates.parts().into(),
            chains: self.chains.parts().into(),
        }
    }

    /// Makes every fact written so far durable and visible, whatever the age of the parts.
    pub fn flush(&mut self) -> Result<()> {
        self.certificates.close()?;
        self.chains.close()?;
        self.handshakes.close()?;
        self.connections.close()?;
        self.hosts.close()?;
        self.settle()
    }

    /// What is durable and visible by now.
    pub fn written(&self) -> Written {
        let left = self.keeper.as_ref().map(Keeper::left).unwrap_or_default();
        Written { rows: self.rows(), parts: self.parts(), left, lines: None }
    }

    /// Makes everything durable and says how much it is.
    pub fn finish(mut self) -> Result<Written> {
        self.flush()?;
        Ok(self.written())
    }
}
