//! Agreement of the ranks on failures.

use crate::error::Result;
use crate::team::Team;

/// Failures of the ranks. Every rank calls it at the same place.
///
/// # Errors
/// [`crate::Error::Team`] where a rank is lost.
pub fn outcomes(team: &dyn Team, failed: bool) -> Result<Vec<bool>> {
    let found = team.all_gather(&[u8::from(failed)], &vec![1; team.size()])?;
    Ok(found.into_iter().map(|failed| failed != 0).collect())
}
