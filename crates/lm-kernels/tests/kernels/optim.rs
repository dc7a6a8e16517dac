//! AdamW.

use burn::tensor::Tensor;
use lm_kernels::ops::{self, AdamW};

use crate::util::{Fast, close_values, random, read};

fn settings(step: usize) -> AdamW {
    AdamW {
        lr: 0.01,
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        weight_decay: 0.1,
        step,
        grad_scale: 0.5,
    }
}

/// `torch.optim.AdamW`, one number at a time in 64 bits.
fn by_definition(p: &mut f64, m: &mut f64, v: &mut f64, grad: f64, hp: &AdamW) {
    let grad = grad * hp.grad_scale;
    *p *= 1.0 - hp.lr * hp.weight_decay;
    *m = hp.beta1 * *m + (1.0 - hp.beta1) * grad;
    *v = hp.beta2 * *v + (1.0 - hp.beta2) * grad * grad;
    let first = 1.0 - hp.beta1.powi(hp.step as i32);
    let second = 1.0 - hp.beta2.powi(hp.step as i32);
    *p -= hp.lr / first * *m / (v.sqrt() / second.sqrt() + hp.eps);
}

#[test]
fn three_steps_follow_the_definition() {
    for shape in [[1, 1], [7, 5], [300, 129]] {
        let mut found = [random(1, shape), Tensor::zeros(shape, &Default::default())];
        let mut v = Tensor::<Fast, 2>::zeros(shape, &Default::default());
        let mut p: Vec<f64> = read(&found[0]).iter().map(|&x| f64::from(x)).collect();
        let (mut m64, mut v64) = (vec![0.0; p.len()], vec![0.0; p.len()]);
        for step in 1..=3 {
            let grad = random(step as u64 + 10, shape);
            for (i, g) in read(&grad).into_iter().enumerate() {
                by_definition(
                    &mut p[i],
                    &mut m64[i],
                    &mut v64[i],
                    g.into(),
                    &settings(step),
                );
            }
            let [param, m] = found;
            let [param, m, next] = ops::adamw(param, grad, m, v, &settings(step));
            (found, v) = ([param, m], next);
        }
        let narrow = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
        close_values("parameter", &read(&found[0]), &narrow(&p));
        close_values("first moment", &read(&found[1]), &narrow(&m64));
        close_values("second moment", &read(&v), &narrow(&v64));
    }
}

#[test]
fn a_shared_parameter_is_not_written_through() {
    let param = random(1, [64]);
    let kept = read(&param);
    let zeros = || Tensor::zeros([64], &Default::default());
    let [updated, _, _] = ops::adamw(
        param.clone(),
        random(2, [64]),
        zeros(),
        zeros(),
        &settings(1),
    );
    assert_eq!(read(&param), kept);
    assert_ne!(read(&updated), kept);
}

#[cfg(not(feature = "vulkan"))]
#[test]
fn an_owned_parameter_is_updated_in_place() {
    use crate::util::address;

    let zeros = || Tensor::zeros([64], &Default::default());
    let (param, m, v) = (random(1, [64]), zeros(), zeros());
    let before = [&param, &m, &v].map(address);
    let updated = ops::adamw(param, random(2, [64]), m, v, &settings(1));
    assert_eq!([&updated[0], &updated[1], &updated[2]].map(address), before);
}
