//! Comma-separated tables. A value that does not apply is an empty field.

use std::io::{Result, Write};

use lowrank::solver::{Solution, TraceRow};

pub(super) fn number(value: Option<f64>) -> String {
    value.filter(|v| v.is_finite()).map(|v| format!("{v:e}")).unwrap_or_default()
}

/// Writes `trace.csv`: one line per observation. Columns are only ever appended.
///
/// # Errors
/// Those of `writer`.
pub fn write_trace(writer: &mut impl Write, rows: &[TraceRow]) -> Result<()> {
    writeln!(
        writer,
        "trial,iteration,seconds,train_loss,relative_residual,relative_error,holdout_loss,sigma_rank,sigma_next,\
         angle_truth,angle_spectral,power_angle_truth,power_angle_spectral,power_distance,noise_norm,phase,signal_min,\
         phase_proxy,imbalance,nuclear_norm,hessian_trace,isotropic_trace,least_trace,layer_imbalance,layer_spread"
    )?;
    for row in rows {
        let (d, flat) = (row.diagnosis.as_ref(), row.flatness.as_ref());
        writeln!(
            writer,
            "{},{},{:.6},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            row.trial,
            row.iteration,
            row.seconds,
            number(Some(row.train_loss)),
            number(Some(row.relative_residual)),
            number(row.relative_error),
            number(row.holdout_loss),
            number(d.map(|d| d.sigma_rank)),
            number(d.and_then(|d| d.sigma_next)),
            number(d.and_then(|d| d.angle_truth)),
            number(d.and_then(|d| d.angle_spectral)),
            number(d.and_then(|d| d.power_angle_truth)),
            number(d.and_then(|d| d.power_angle_spectral)),
            number(d.and_then(|d| d.power_distance)),
            number(d.map(|d| d.noise_norm)),
            d.map(|d| d.phase.number().to_string()).unwrap_or_default(),
            number(d.map(|d| d.signal_min)),
            row.phase_proxy.map(|p| p.number().to_string()).unwrap_or_default(),
            number(row.imbalance),
            number(flat.map(|f| f.nuclear_norm)),
            number(flat.and_then(|f| f.trace)),
            number(flat.map(|f| f.isotropic)),
            number(flat.map(|f| f.least)),
            number(flat.map(|f| f.imbalance)),
            number(flat.and_then(|f| f.spread)),
        )?;
    }
    Ok(())
}

/// Writes `trials.csv`: one line per trial with its parameters and its result. Columns are only ever appended.
///
/// # Errors
/// Those of `writer`.
pub fn write_trials(writer: &mut impl Write, solution: &Solution) -> Result<()> {
    writeln!(
        writer,
        "trial,instance,search_rank,step_size,init_scale,seed,rows,holdout_rows,normalization,status,iterations,\
         kept_iteration,train_loss,relative_residual,relative_error,holdout_loss,estimated_relative_error,estimated_rank,\
         damping,ridge"
    )?;
    for t in &solution.trials {
        let p = &t.parameters;
        writeln!(
            writer,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            p.trial,
            p.instance,
            p.search_rank,
            number(Some(p.step_size)),
            number(p.init_scale),
            p.seed.map(|s| s.to_string()).unwrap_or_default(),
            p.rows,
            p.holdout_rows,
            number(Some(p.normalization)),
            t.status,
            t.iterations,
            t.kept_iteration,
            number(Some(t.train_loss)),
            number(Some(t.relative_residual)),
            number(t.relative_error),
            number(t.holdout_loss),
            number(t.estimated_relative_error),
            t.estimated_rank,
            number(p.damping),
            number(p.ridge),
        )?;
    }
    Ok(())
}
