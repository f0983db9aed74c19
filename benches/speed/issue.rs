use cardwright::apdu::block_on;
use cardwright::gp::command::InstallForInstall;
use cardwright::gp::load_file::CapFile;
use cardwright::gp::procedure::{KeyCandidate, KeyScheme, OpenOptions, load_and_install, open, select};
use cardwright::gp::{DescriptorPolicy, SecurityLevel};
use cardwright::keys::{KeyKind, KeyRef, SoftwareKeys};
use cardwright_capgen::default_payment_cap;
use cardwright_sim::{JavaCard, SimReader};
use criterion::{BatchSize, Criterion};

pub(crate) fn benchmarks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("card");
    let cap = CapFile::parse(&default_payment_cap()).expect("a CAP file");
    let load_file = cap.to_load_file(DescriptorPolicy::Omit).expect("a load file");
    let module = cap.applets()[0].aid;
    let application = InstallForInstall::new(load_file.aid(), module, module);
    let mut keys = SoftwareKeys::new();
    keys.insert("test", KeyKind::Aes, b"@ABCDEFGHIJKLMNO").expect("16 bytes");
    let candidates = [KeyCandidate::new(KeyRef::new("test"), KeyKind::Aes, KeyScheme::AsIs)];

    let fresh = || {
        let mut reader = SimReader::new(JavaCard::builder().build());
        reader.set_log(false);
        reader
    };
    let run = |reader: &mut SimReader, keys: &mut SoftwareKeys| {
        block_on(async {
            let domain = select(reader, None).await?.aid;
            let options = OpenOptions::new(SecurityLevel::C_DECRYPTION);
            let mut opened = open(reader, keys, domain.as_ref(), &candidates, [1; 8], options).await?;
            load_and_install(reader, &mut opened.channel, domain, &load_file, &application, None, |_, _| {}).await
        })
        .expect("the card takes it");
    };
    group.bench_function("load and install", |b| {
        b.iter_batched_ref(fresh, |reader| run(reader, &mut keys), BatchSize::SmallInput);
    });
    // The floor: the same commands, recorded, through the card alone.
    let mut recorded = SimReader::new(JavaCard::builder().build());
    run(&mut recorded, &mut keys);
    let commands: Vec<_> = recorded.take_log().into_iter().map(|entry| entry.command).collect();
    group.bench_function("load and install card alone", |b| {
        b.iter_batched_ref(
            || {
                let mut card = JavaCard::builder().build();
                card.set_log(false);
                card
            },
            |card| commands.iter().for_each(|command| drop(card.process(command))),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}
