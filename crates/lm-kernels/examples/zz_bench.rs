use burn::{
    backend::{Autodiff, Flex},
    tensor::{Distribution, Int, Tensor},
};
use lm_kernels::{LmOps, SeqBounds, ops::*};
use std::time::Instant;
type A = Autodiff<Flex>;
fn r<B: LmOps, const D: usize>(s: [usize; D]) -> Tensor<B, D> {
    Tensor::random(s, Distribution::Normal(0.0, 0.5), &Default::default())
}
fn cpu() -> f64 {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|d| std::fs::read_to_string(d.unwrap().path().join("schedstat")).ok())
        .map(|s| s.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6)
        .sum()
}
fn t(name: &str, mut f: impl FnMut()) {
    for _ in 0..3 {
        f()
    }
    let s = Instant::now();
    f();
    let n = (0.03 / s.elapsed().as_secs_f64()).clamp(1.0, 2000.0) as usize;
    let mut v: Vec<f64> = (0..9)
        .map(|_| {
            let s = cpu();
            for _ in 0..n {
                f()
            }
            (cpu() - s) / n as f64
        })
        .collect();
    v.sort_by(f64::total_cmp);
    println!("{name:32} cpu min {:8.4} med {:8.4} ms", v[0], v[4]);
}
fn g<const D: usize>(x: Tensor<A, D>) {
    x.sum().backward();
}
fn main() {
    let lens: Vec<usize> = (0..40).map(|i| 100 + (i * 37) % 200).collect();
    let b = SeqBounds::from_lengths(&lens);
    let n = b.total();
    println!("T={n}");
    let f = |s: [usize; 2]| r::<Flex, 2>(s);
    let x = f([n, 128]);
    let xa = || r::<A, 2>([n, 128]).require_grad();
    let (q, k, v) = (
        r::<Flex, 3>([n, 4, 32]),
        r::<Flex, 3>([n, 2, 32]),
        r::<Flex, 3>([n, 2, 32]),
    );
    t("attention fwd", || {
        attention(q.clone(), k.clone(), v.clone(), &b, 0.17);
    });
    let (qa, ka, va) = (
        Tensor::<A, 3>::from_inner(q.clone()).require_grad(),
        Tensor::<A, 3>::from_inner(k.clone()).require_grad(),
        Tensor::<A, 3>::from_inner(v.clone()).require_grad(),
    );
    t("attention fwd+bwd", || {
        g(attention(qa.clone(), ka.clone(), va.clone(), &b, 0.17))
    });
    for (i, o) in [(128, 128), (128, 64), (128, 384), (384, 128)] {
        let (x, w) = (f([n, i]), f([o, i]));
        t(&format!("linear {i}->{o} fwd"), || {
            linear(x.clone(), w.clone());
        });
        let (xa, wa) = (
            Tensor::<A, 2>::from_inner(x.clone()).require_grad(),
            Tensor::<A, 2>::from_inner(w.clone()).require_grad(),
        );
        t(&format!("linear {i}->{o} fwd+bwd"), || {
            g(linear(xa.clone(), wa.clone()))
        });
    }
    let w1 = r::<Flex, 1>([128]);
    t("rms fwd", || {
        rms_norm(x.clone(), w1.clone(), 1e-6);
    });
    let (xl, wl) = (xa(), r::<A, 1>([128]).require_grad());
    t("rms fwd+bwd", || g(rms_norm(xl.clone(), wl.clone(), 1e-6)));
    let (c, s) = (f([n, 16]), f([n, 16]));
    let w32 = r::<Flex, 1>([32]);
    t("norm_rope q fwd", || {
        norm_rope(q.clone(), w32.clone(), c.clone(), s.clone(), 1e-6);
    });
    let (ca, sa, wa) = (
        Tensor::<A, 2>::from_inner(c),
        Tensor::<A, 2>::from_inner(s),
        r::<A, 1>([32]).require_grad(),
    );
    t("norm_rope q fwd+bwd", || {
        g(norm_rope(
            qa.clone(),
            wa.clone(),
            ca.clone(),
            sa.clone(),
            1e-6,
        ))
    });
    let (a, u) = (f([n, 384]), f([n, 384]));
    t("swiglu fwd", || {
        swiglu(a.clone(), u.clone());
    });
    let (a, u) = (
        Tensor::<A, 2>::from_inner(a).require_grad(),
        Tensor::<A, 2>::from_inner(u).require_grad(),
    );
    t("swiglu fwd+bwd", || g(swiglu(a.clone(), u.clone())));
    let w = f([1536, 128]);
    let ids = Tensor::<Flex, 1, Int>::from_ints(
        (0..n as i32)
            .map(|i| i * 7 % 1536)
            .collect::<Vec<_>>()
            .as_slice(),
        &Default::default(),
    );
    t("log_probs fwd", || {
        linear_log_probs(x.clone(), w.clone(), ids.clone(), 1.0);
    });
    let (xw, ww) = (xa(), Tensor::<A, 2>::from_inner(w.clone()).require_grad());
    t("log_probs fwd+bwd", || {
        g(
            linear_log_probs(xw.clone(), ww.clone(), Tensor::from_inner(ids.clone()), 1.0)
                .log_probs,
        )
    });
    t("embedding fwd", || {
        embedding(w.clone(), ids.clone());
    });
    t("embedding fwd+bwd", || {
        g(embedding(ww.clone(), Tensor::from_inner(ids.clone())))
    });
    t("add [T,128]", || {
        let _ = x.clone() + x.clone();
    });
    let hp = AdamW {
        lr: 1e-3,
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        weight_decay: 0.1,
        step: 3,
        grad_scale: 1.0,
    };
    let mut st = Some([f([1300, 1000]), f([1300, 1000]), f([1300, 1000]).abs()]);
    let gr = f([1300, 1000]);
    t("adamw 1.3M", || {
        let [p, m, v] = st.take().unwrap();
        st = Some(adamw(p, gr.clone(), m, v, &hp));
    });
    for bsz in [1, 16, 64, 128] {
        let rows: Vec<_> = (0..bsz)
            .map(|i| CacheRow {
                slot: i,
                start: 150 + i,
                len: 1,
            })
            .collect();
        let mut cache = Some(KvCache {
            k: r::<Flex, 4>([128, 512, 2, 32]),
            v: r::<Flex, 4>([128, 512, 2, 32]),
        });
        let (q, k) = (r::<Flex, 3>([bsz, 4, 32]), r::<Flex, 3>([bsz, 2, 32]));
        t(&format!("cached b{bsz}"), || {
            let (_, n) = cached_attention(
                q.clone(),
                k.clone(),
                k.clone(),
                cache.take().unwrap(),
                &rows,
                0.17,
            );
            cache = Some(n);
        });
        let (x, w, w3) = (f([bsz, 128]), f([128, 128]), f([384, 128]));
        t(&format!("linear 128->128 b{bsz}"), || {
            linear(x.clone(), w.clone());
        });
        t(&format!("linear 128->384 b{bsz}"), || {
            linear(x.clone(), w3.clone());
        });
        let wv = f([1536, 128]);
        t(&format!("linear 128->1536 b{bsz}"), || {
            linear(x.clone(), wv.clone());
        });
        t(&format!("rms b{bsz}"), || {
            rms_norm(x.clone(), w1.clone(), 1e-6);
        });
    }
}
