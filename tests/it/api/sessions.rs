//! Who signs out of the page is out, whoever kept the cookie: in this process, in other replicas,
//! and after a start.

use testbed::eventually;
use testbed::loopback;
use testbed::postgres::Server;
use testbed::program::Program;
use testbed::setup::{Setup, Webhook};
use testbed::space::Space;

use super::{ADMIN, on_postgres};
use crate::stage::SOON;

/// Signs in; gives the cookie.
pub(super) fn sign_in(program: &Program) -> String {
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let body = format!("token={ADMIN}");
    let answer = loopback::request(program.admin(), "POST", "/admin/sign-in", form, body).unwrap();
    assert_eq!(answer.status, 303, "{answer:?}");
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

fn is_in(program: &Program, cookie: &str) -> bool {
    let headers = format!("cookie: {cookie}\r\n");
    let asked =
        |path| loopback::request(program.admin(), "GET", path, &headers, "").unwrap().status;
    match (asked("/api/v1/webhooks"), asked("/admin/webhooks")) {
        (200, 200) => true,
        (401, 303) => false,
        other => panic!("{other:?}"),
    }
}

fn sign_out(program: &Program, cookie: &str) {
    let headers = format!("cookie: {cookie}\r\n");
    let page = loopback::request(program.admin(), "GET", "/admin/webhooks", &headers, "").unwrap();
    let csrf = page.body.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let body = format!("csrf={csrf}");
    let out =
        loopback::request(program.admin(), "POST", "/admin/sign-out", &headers, body).unwrap();
    assert_eq!((out.status, out.header("location")), (303, "/admin/sign-in"));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
}

#[tokio::test]
async fn who_signs_out_is_out_everywhere() {
    let server = Server::start().await.unwrap();
    let url = server.database("webhooks").await.unwrap();
    let space = Space::open().await.unwrap();
    let setup = on_postgres(&space, &url);
    let one = Program::start(&setup).await.unwrap();
    let mut other = Program::start(&setup).await.unwrap();
    let (cookie, kept) = (sign_in(&one), sign_in(&one));
    assert!(is_in(&one, &cookie) && is_in(&other, &cookie));
    sign_out(&one, &cookie);
    assert!(!is_in(&one, &cookie));
    eventually("the other replica knows it", SOON, || async {
        (!is_in(&other, &cookie)).then_some(())
    })
    .await
    .unwrap();
    other.kill9().unwrap();
    other.start_again().await.unwrap();
    other.ready().await.unwrap();
    assert!(!is_in(&other, &cookie), "a start brings no session back");
    assert!(is_in(&one, &kept) && is_in(&other, &kept), "the same person's other session goes on");
    drop((one, other));
    space.close().await.unwrap();
}

#[tokio::test]
async fn it_is_so_beside_a_file_of_webhooks() {
    let space = Space::open().await.unwrap();
    let setup = Setup::new(&space)
        .set("admin.tokens", format!("alice admin {ADMIN}"))
        .webhook(Webhook::new("whk_a", "https://a.example/"));
    let program = Program::start(&setup).await.unwrap();
    let cookie = sign_in(&program);
    assert!(is_in(&program, &cookie));
    sign_out(&program, &cookie);
    assert!(!is_in(&program, &cookie));
    drop(program);
    space.close().await.unwrap();
}
