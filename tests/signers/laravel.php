<?php

// Laravel's router and URL generator around a program that signs links: the file that is named as argument, which
// calls links(fn () => LINK).

foreach (['Support', 'Http', 'Container', 'Routing'] as $part) {
    require_once "Illuminate/$part/autoload.php";
}

final class NoEvents implements Illuminate\Contracts\Events\Dispatcher
{
    public function listen($events, $listener = null) {}
    public function hasListeners($eventName) { return false; }
    public function subscribe($subscriber) {}
    public function until($event, $payload = []) {}
    public function dispatch($event, $payload = [], $halt = false) {}
    public function push($event, $payload = []) {}
    public function flush($event) {}
    public function forget($event) {}
    public function forgetPushed() {}
}

// An application has these names at hand.
class_alias('Illuminate\Support\Facades\URL', 'URL');
class_alias('Illuminate\Support\Facades\Route', 'Route');

$application = new Illuminate\Container\Container;
Illuminate\Support\Facades\Facade::setFacadeApplication($application);
$router = new Illuminate\Routing\Router(new NoEvents, $application);
$asked = Illuminate\Http\Request::create('https://files.example.com/');
$application->instance('router', $router);
$application->instance('url', new Illuminate\Routing\UrlGenerator($router->getRoutes(), $asked));

// Prints a link, once Laravel itself has found that it is signed.
function links(callable $link)
{
    Route::getRoutes()->refreshNameLookups();
    $url = $link();
    if (!URL::hasCorrectSignature(Illuminate\Http\Request::create($url), $url[0] !== '/')) {
        throw new RuntimeException("Laravel does not accept $url");
    }
    echo $url, "\n";
}

require $argv[1];
